"""Where a lab's text comes from."""

import os
from pathlib import Path

import pytest

from hopscope import Lab, SpecError, UsageError
from hopscope.lab.declare import built_in, parse, source_of, written
from hopscope.model.limits import LARGEST_FILE


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_name_of_a_built_in_lab_means_that_one(here: Path) -> None:
    """A file of that name is reached by its path."""
    (here / "bridge").write_text("name: mine\n")
    assert source_of("bridge") == (built_in()["bridge"].encode(), "bridge.yaml")
    assert source_of("./bridge") == (b"name: mine\n", "./bridge")
    assert source_of(str(here / "bridge"))[0] == b"name: mine\n"


def test_a_name_with_a_suffix_is_a_file(here: Path) -> None:
    (here / "bridge.yaml").write_text("name: mine\n")
    assert source_of("bridge.yaml") == (b"name: mine\n", "bridge.yaml")


def test_a_file_that_may_not_be_read_hides_no_built_in_lab(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is not root may stand in a folder that is closed to them."""

    def refused(_path: Path, _mode: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    known = built_in()
    monkeypatch.setattr("hopscope.lab.declare.built_in", lambda: known)
    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(UsageError, match=r"cannot read the lab file 'x': Permission denied"):
        source_of("x")
    assert source_of("bridge")[1] == "bridge.yaml"


def test_what_is_not_there_is_told_with_what_is(here: Path) -> None:
    with pytest.raises(UsageError, match=r"no lab file 'brige', .* did you mean 'bridge'"):
        source_of("brige")
    (here / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot read the lab file 'folder': Is a directory"):
        source_of("folder")


def test_of_a_file_without_end_no_more_is_read_than_a_lab_may_have(here: Path) -> None:
    """As of one that was named by mistake, and is larger than the memory."""
    (here / "huge").touch()
    os.truncate(here / "huge", 1 << 40)
    for file in ("huge", "/dev/zero"):
        assert source_of(file) == (bytes(LARGEST_FILE + 1), file)
        with pytest.raises(SpecError, match="larger than 1 MiB"):
            parse(*source_of(file))


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_what_is_no_name_of_a_file_is_told(here: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot read the lab file "):
        source_of(name)


NAMES = [
    ("lab.yaml", "lab.yaml"),
    ("a b/ü.yaml", "a b/ü.yaml"),
    (os.fsdecode(b"c\xff.yaml"), r"c\xff.yaml"),
    ("two\nlines\x1b[1m", r"two\nlines\x1b[1m"),
    ("\ud800", r"\ud800"),
    (r"c\xff.yaml", r"c\xff.yaml"),
]


@pytest.mark.parametrize(("name", "shown"), NAMES)
def test_a_name_is_told_as_it_can_be_written_anywhere(name: str, shown: str) -> None:
    assert written(name) == written(shown) == shown
    assert parse("name: one\nnodes: {a: {}}\n", name).file == shown
    with pytest.raises(SpecError) as caught:
        parse("name: one\n", name)
    assert {one.place.file for one in caught.value.problems} == {shown}


def test_a_file_whose_name_is_no_text_is_read(here: Path) -> None:
    name = os.fsdecode(b"c\xff.yaml")
    (here / name).write_bytes(b"name: one\nnodes: {a: {}}\n")
    assert source_of(name) == (b"name: one\nnodes: {a: {}}\n", r"c\xff.yaml")
    assert Lab.load(name).spec().name == "one"
