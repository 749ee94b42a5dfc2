"""hopscope export and import: formats by name and by file, what is said where, exit statuses."""

from pathlib import Path
from typing import Any

import pytest

SCRIPT = "#!/bin/sh\nip netns add a\nip netns add b\n"


@pytest.mark.parametrize(
    ("file", "begins"),
    [
        ("x.sh", "#!/bin/sh"),
        ("x.mmd", "%% bridge"),
        ("x.dot", "// Two namespaces"),
        ("x.svg", "<svg "),
        ("x.yml", "# bridge:"),
        ("x", "#!/bin/sh"),
    ],
)
def test_a_files_name_tells_the_format(
    hopscope: Any, tmp_path: Path, file: str, begins: str
) -> None:
    """And sh is meant when it does not."""
    done = hopscope("export", "bridge", "--out", file, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / file).read_text().startswith(begins)


def test_a_format_may_be_named(hopscope: Any) -> None:
    """Then it counts; one that there is not is refused."""
    assert hopscope("export", "bridge", "--format", "mermaid").stdout.startswith("%% bridge")
    image = hopscope("export", "bridge", "--format", "containerlab", "--image", "mine:1").stdout
    assert "image: mine:1" in image
    done = hopscope("export", "bridge", "--format", "mermade")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'mermaid'?" in done.stderr


def test_a_name_that_means_no_format_is_refused(hopscope: Any, tmp_path: Path) -> None:
    """Before anything is written, unless the format is named."""
    done = hopscope("export", "bridge", "--out", "x.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no format is meant by .png; a file ends in .sh, .mmd" in done.stderr
    assert not list(tmp_path.iterdir())
    named = hopscope("export", "bridge", "--format", "dot", "--out", "x.png", cwd=tmp_path)
    assert named.returncode == 0


@pytest.mark.kernel
def test_a_file_that_cannot_be_written_is_status_3(hopscope: Any, tmp_path: Path) -> None:
    """With what to name instead. What is missing of its folder is made."""
    (tmp_path / "no").write_text("")
    for words in (("export", "bridge", "--format=sh"), ("import", "-")):
        done = hopscope(*words, "--out", "no/such/file", stdin=SCRIPT, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.splitlines() == [
            "hopscope: cannot write no: Not a directory",
            "  mend it with: name a folder where no file is in the way",
        ]
        done = hopscope(*words, "--out", ".", stdin=SCRIPT, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "hopscope: --out names a folder, '.'; name a file in it\n"
        assert hopscope(*words, "--out", "new/file", stdin=SCRIPT, cwd=tmp_path).returncode == 0
        assert (tmp_path / "new" / "file").read_text()


def test_an_image_is_of_containerlab_alone(hopscope: Any) -> None:
    """Elsewhere nobody would see that it was passed over."""
    done = hopscope("export", "bridge", "--image", "foo", "--format", "sh")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--image is of containerlab's nodes; the format sh has none" in done.stderr


@pytest.mark.kernel
def test_a_running_lab_is_exported_as_declared(hopscope: Any, tmp_path: Path) -> None:
    """And that is said."""
    (tmp_path / "mine.yaml").write_text("name: mine\nnodes: {a: {}, b: {}}\nlinks: [[a:x, b:y]]\n")
    assert hopscope("up", "mine.yaml", "--name", "mine", cwd=tmp_path).returncode == 0
    done = hopscope("export", "mine")
    assert hopscope("down", "mine").returncode == 0
    assert "peer name x" in done.stdout
    assert done.stderr.startswith("mine is up: this is what mine.yaml declares")
    assert hopscope("export", "mine").returncode == 2


@pytest.mark.kernel
def test_a_script_comes_in(hopscope: Any, tmp_path: Path) -> None:
    """From a file or from standard input, to standard output or to a file that is right."""
    (tmp_path / "two.sh").write_text(SCRIPT)
    done = hopscope("import", "two.sh", "--out", "two.yaml", "--name", "pair", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "lab 'pair' is right: 2 nodes" in hopscope("check", "two.yaml", cwd=tmp_path).stdout
    done = hopscope("import", "-", stdin=SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  b: {lo: false}" in done.stdout


@pytest.mark.kernel
def test_an_ordinary_user_imports_as_root_does(hopscope: Any, ordinary: Any) -> None:
    """The same lab from the same script."""
    script = hopscope("export", "router").stdout
    own = ordinary("import", "-", stdin=script)
    assert (own.returncode, own.stderr) == (0, "")
    assert own.stdout == hopscope("import", "-", stdin=script).stdout


@pytest.mark.kernel
def test_what_is_left_out_is_told_and_no_failure(hopscope: Any) -> None:
    """Exit status 0: something useful came out."""
    done = hopscope(
        "import", "-", stdin=f"{SCRIPT}ip -n a rule add from 10.0.0.0/8 lookup 7\nfalse\n"
    )
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "<stdin>:5: the script ended with exit status 1 at: false",
        "<stdin>: a: the policy rule 32765 is left out: the table 7 has no route in the lab",
    ]
    assert all(f"#   {line}" in done.stdout for line in done.stderr.splitlines())


@pytest.mark.kernel
@pytest.mark.parametrize("text", ["hello\n", "#!/bin/sh\ntrue\n", "a: [", "topology: {}\n"])
def test_what_gives_nothing_exits_with_2(hopscope: Any, text: str) -> None:
    """Nothing is printed but why."""
    done = hopscope("import", "-", stdin=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hopscope: <stdin>")


@pytest.mark.parametrize("arguments", [("import", "none.sh"), ("export", "none")])
def test_files_that_are_not_there(hopscope: Any, arguments: tuple[str, ...]) -> None:
    """Are named."""
    done = hopscope(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert arguments[-1] in done.stderr


def test_a_file_called_minus_is_standard_output(hopscope: Any, tmp_path: Path) -> None:
    """As it is standard input where one is read."""
    exported = hopscope("export", "bridge", "--out", "-", cwd=tmp_path)
    assert exported.stdout == hopscope("export", "bridge").stdout != ""
    imported = hopscope("import", "-", "--out", "-", stdin=SCRIPT, cwd=tmp_path)
    assert "name: stdin" in imported.stdout
    assert list(tmp_path.iterdir()) == []
