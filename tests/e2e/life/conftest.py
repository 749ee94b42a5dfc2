"""The command with a record of labs of each test's own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def hopscope(hopscope: Any, tmp_path: Path) -> Iterator[Any]:
    """The command; no lab stands before, and those that do afterwards are taken down."""
    made = replace(hopscope, state=tmp_path / "state")
    yield made
    made.end_all()
