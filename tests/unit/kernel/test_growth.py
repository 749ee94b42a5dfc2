"""A file that grows, as a descriptor."""

import select
from pathlib import Path

import pytest

from hopscope.kernel.growth import Growth


def readable(growth: Growth) -> bool:
    """Whether it says that the file grew."""
    return bool(select.select([growth], [], [], 0)[0])


def test_each_write_is_told_until_it_is_cleared(tmp_path: Path) -> None:
    """Also once the file has no name any more."""
    path = tmp_path / "record"
    path.touch()
    with path.open("ab", buffering=0) as file, Growth(path) as growth:
        assert not readable(growth)
        file.write(b"x")
        file.write(b"y")
        assert readable(growth)
        growth.clear()
        assert not readable(growth)
        path.unlink()
        growth.clear()
        file.write(b"z")
        assert readable(growth)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        Growth(tmp_path / "none")
