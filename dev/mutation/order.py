"""A plugin of pytest for mutation testing: the tests that take least come first.

Tests of one file stay together, since they share a server.
"""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the rules alone before those of a running server."""
    items.sort(key=lambda item: (not item.nodeid.startswith("tests/unit/"), item.nodeid.partition("::")[0]))
