"""What is kept of a lab file is what parsing gives, and is never needed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hopscope import spec
from hopscope.errors import SpecError
from hopscope.lab import cache
from hopscope.lab.cache import cache_folder, remembered
from hopscope.lab.declare import built_in
from hopscope.model.lab import LabSpec

TEXT = "name: x\nnodes: {a: {}}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which labs are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hopscope" / "labs"


def parsing(text: str, file: str = "x.yaml") -> tuple[Callable[[], LabSpec], list[str]]:
    """A parser, and how often it was asked."""
    asked: list[str] = []

    def parse() -> LabSpec:
        asked.append(text)
        return spec.parse(text, file)

    return parse, asked


@pytest.mark.parametrize("name", built_in())
def test_what_is_remembered_is_what_was_parsed(home: Path, name: str) -> None:
    """Every part and place of it."""
    text = built_in()[name]
    parse, asked = parsing(text)
    first = remembered(text.encode(), "x.yaml", parse)
    assert remembered(text.encode(), "x.yaml", parse) == first == spec.parse(text, "x.yaml")
    assert len(asked) == 1


def test_another_text_or_name_is_another_lab(home: Path) -> None:
    """Places name the file, so its name counts."""
    parse, asked = parsing(TEXT)
    for source, file in ((TEXT, "x.yaml"), (TEXT + "\n", "x.yaml"), (TEXT, "y.yaml")):
        remembered(source.encode(), file, parse)
    assert len(asked) == 3


def test_a_changed_module_is_a_new_meaning(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that who works on hopscope is not told of yesterday's."""
    parse, asked = parsing(TEXT)
    remembered(TEXT.encode(), "x.yaml", parse)
    monkeypatch.setattr(cache, "_PACKAGES", ("lab",))
    remembered(TEXT.encode(), "x.yaml", parse)
    assert len(asked) == 2


def test_mistakes_are_not_kept(home: Path) -> None:
    """The file may be mended by its surroundings, and errors are read by people."""
    parse, asked = parsing("name: [")
    for _ in "12":
        with pytest.raises(SpecError):
            remembered(b"name: [", "x.yaml", parse)
    assert len(asked) == 2
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("junk", [b"", b"\xff", b"\x80", b'{"name": "y"}'])
def test_what_is_spoilt_is_made_anew(home: Path, junk: bytes) -> None:
    """And written again."""
    parse, asked = parsing(TEXT)
    remembered(TEXT.encode(), "x.yaml", parse)
    [kept] = home.iterdir()
    kept.write_bytes(junk)
    assert remembered(TEXT.encode(), "x.yaml", parse).name == "x"
    assert remembered(TEXT.encode(), "x.yaml", parse).name == "x"
    assert len(asked) == 2


def test_it_does_not_grow(home: Path) -> None:
    """The oldest go."""
    parse, _asked = parsing(TEXT)
    for number in range(cache._MOST + 3):
        remembered(TEXT.encode(), f"{number}.yaml", parse)
    assert len(list(home.iterdir())) == cache._MOST


def test_without_a_place_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its way, a folder that others may write to."""
    parse, asked = parsing(TEXT)
    (tmp_path / "hopscope").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("labs") is None
    assert remembered(TEXT.encode(), "x.yaml", parse).name == "x"
    open_to_all = tmp_path / "open"
    (open_to_all / "hopscope" / "labs").mkdir(parents=True)
    (open_to_all / "hopscope" / "labs").chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(open_to_all))
    assert cache_folder("labs") is None
    assert len(asked) == 1


def test_a_disk_that_is_full_keeps_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody notices."""

    def full(_path: Path, _data: bytes) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    parse, _asked = parsing(TEXT)
    assert remembered(TEXT.encode(), "x.yaml", parse).name == "x"
    assert list(home.iterdir()) == []
