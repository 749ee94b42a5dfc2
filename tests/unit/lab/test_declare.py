"""Where a lab's text comes from."""

from pathlib import Path

import pytest

from hopscope import UsageError
from hopscope.lab.declare import built_in, source_of


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

    def refused(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    known = built_in()
    monkeypatch.setattr("hopscope.lab.declare.built_in", lambda: known)
    monkeypatch.setattr(Path, "read_bytes", refused)
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
