"""Unit tests: which of them count for what is covered."""

from collections.abc import Sequence
from pathlib import Path

import pytest

_BY_PROPERTIES = Path(__file__).parent / "wire"
"""What messages mean is asked for any values: there, properties are the examples."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """A property that comes to a line by chance does not say what that line does.

    They are spared the tracing, too, which would double their time.
    """
    for item in items:
        if item.get_closest_marker("hypothesis") and not item.path.is_relative_to(_BY_PROPERTIES):
            item.add_marker(pytest.mark.no_cover)
