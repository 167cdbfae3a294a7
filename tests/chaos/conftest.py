"""The short tier waits more than it works: it begins first, and the other tests fill its pauses."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != "test_short.py")
