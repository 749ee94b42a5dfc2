"""Which labs a call of `hopscope test` means, and how one is read."""

from pathlib import Path

import pytest

from hopscope.errors import ExitCode, SpecError, UsageError
from hopscope.lab.suite import collected, read, wrong_file
from hopscope.model.tried import Outcome
from labtexts import PAIR


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two labs, one deeper, and things that are none."""
    for name in ("b.yaml", "deep/a.yml", "deep/.hidden.yaml", ".git/c.yaml", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(PAIR)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_labs_of_folders_files_and_names(folder: Path) -> None:
    """In the order of the words, each once; a built-in's name means that one."""
    assert collected(["."]) == ["b.yaml", "deep/a.yml"]
    assert collected(["deep", "b.yaml", "bridge"]) == ["deep/a.yml", "b.yaml", "bridge"]
    assert collected(["b.yaml", ".", str(folder / "b.yaml"), "./b.yaml"]) == [
        "b.yaml",
        "deep/a.yml",
    ]
    assert collected(["notes.txt"]) == ["notes.txt"]  # who names it, means it
    (folder / "bridge").mkdir()
    assert collected(["bridge", "./bridge"]) == ["bridge"]


@pytest.mark.usefixtures("folder")
def test_two_labs_of_one_name_run_under_two() -> None:
    """Also with a name that is as long as can be."""
    long = "l" * 63
    Path("long.yaml").write_text(PAIR.replace("name: pair", f"name: {long}"))
    names = [read(file, n).running_name for n, file in enumerate(["b.yaml", "deep/a.yml"])]
    names += [read("long.yaml", n).running_name for n in (7, 8)]
    assert len(set(names)) == 4
    assert all(len(name) <= 63 for name in names)
    assert names[0].endswith("-pair")


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_no_lab_is_a_case_that_went_wrong() -> None:
    """With all its mistakes, and the place of the first."""
    Path("wrong.yaml").write_text("name: a b\nnodes: {x: {lo: 5}}\n")
    with pytest.raises(SpecError) as raised:
        read("wrong.yaml", 1)
    found = wrong_file("wrong.yaml", raised.value)
    (case,) = found.cases
    assert (case.outcome, case.status) == (Outcome.ERROR, ExitCode.USAGE)
    assert str(case.place) == "wrong.yaml:1:7"
    assert len(case.message.splitlines()) == 2
    with pytest.raises(UsageError):
        read("nowhere.yaml", 1)
