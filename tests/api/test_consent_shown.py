"""A project shows what it asks a person about."""

import pytest

from tests.api.client import Client


@pytest.mark.parametrize("policy", ["none", "unsafe", "outward", "all"])
async def test_a_project_shows_its_policy(client: Client, policy: str) -> None:
    made = await client.project(approvals=policy)
    read = (await client.http.get(f"/projects/{made['id']}")).json()
    assert (made["approvals"], read["approvals"]) == (policy, policy)
