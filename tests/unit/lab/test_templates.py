"""Compiled templates: kept where there is room for them, and done without where there is none."""

import errno
import os
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from hopscope.lab import templates
from hopscope.lab.templates import compiled_templates


def rendered() -> str:
    environment = Environment(
        loader=DictLoader({"page": "a {{ 1 + 1 }}"}),
        bytecode_cache=compiled_templates(),
        autoescape=True,
    )
    return environment.get_template("page").render()


def test_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert rendered() == "a 2"
    assert len(list((tmp_path / "hopscope" / "templates").iterdir())) == 1


def test_a_full_disk_keeps_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report's own folder may have room, and is not to be blamed."""

    def full(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(templates, "write_whole", full)
    assert rendered() == "a 2"
