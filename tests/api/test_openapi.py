"""The OpenAPI document: every operation is described and shows the shape of its errors."""

import httpx2

from nexus.main import create_app


async def test_every_operation_is_described(anyone: httpx2.AsyncClient) -> None:
    document = (await anyone.get("/openapi.json")).json()

    for path, operations in document["paths"].items():
        assert not path.endswith("/"), path
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            answers = operation["responses"]["4XX"]["content"]
            assert "application/problem+json" in answers, (method, path)


def test_routes_with_a_key_say_so() -> None:
    document = create_app().openapi()

    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert bool(operation.get("security")) == (path not in {"/healthz", "/readyz"})
