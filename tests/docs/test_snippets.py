"""Every example of the documentation is tried out, and prints what the page says."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from docpages import PAGES, ROOT, Block, Terminal, blocks, commands, matches, mismatch
from hopscope.kernel.machine.abilities import abilities, can_run

SETTLING = ("ip -br addr",)
"""Shows the operational state, which the kernel works out up to a second after a device came up."""
_SETTLING = 5.0

BIN = Path(sys.executable).parent
TRIED = [
    page
    for page in PAGES
    if page.parent.name != "zh"  # the same examples, as test_reference.py knows
    and any(block.language in ("console", "python") for block in blocks(page))
]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A terminal of 100 columns, and a record of labs of its own, which are ended afterwards."""
    made = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOPSCOPE_STATE": str(tmp_path / "state"),
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SHELL": "/bin/bash",  # which reads no further than a line, as a terminal would have it
    }
    yield made
    if (tmp_path / "state").exists():
        for lab in (tmp_path / "state").iterdir():
            subprocess.run([BIN / "hopscope", "down", lab.name], env=made, check=True)


@pytest.mark.kernel
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", TRIED, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_are_true(page: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """All of a page, in order."""
    if not can_run(abilities()):
        pytest.skip("this machine cannot run the reference lab; hopscope doctor says why")
    folder = tmp_path / "folder"
    folder.mkdir()
    terminal = Terminal(folder, environment)
    try:
        found = list(blocks(page))
        for block, following in zip(found, [*found[1:], None], strict=True):
            _try(block, following, terminal, folder)
    finally:
        terminal.close()


def _try(block: Block, following: Block | None, terminal: Terminal, folder: Path) -> None:
    """One block; *following* may be what it prints."""
    if block.language == "console":
        for command, shown in commands(block):
            _type(block, command, shown, terminal)
    elif block.language == "python":
        name = block.title or "example.py"
        (folder / name).write_text(block.text, encoding="utf-8")
        text = following is not None and following.language == "text"
        shown = following.text.splitlines() if following is not None and text else []
        _type(block, f"python {name}", shown, terminal)
    elif block.language == "yaml" and block.title is not None:
        (folder / block.title).write_text(block.text, encoding="utf-8")
        if block.title.endswith(".yaml") and not block.title.startswith("wrong"):
            _type(block, f"hopscope check {block.title}", ["…"], terminal)


def _type(block: Block, command: str, shown: list[str], terminal: Terminal) -> None:
    printed, status = terminal.type(command, shown)
    deadline = time.monotonic() + _SETTLING
    while command in SETTLING and not matches(shown, printed) and time.monotonic() < deadline:
        printed, status = terminal.type(command, shown)  # a reader types more slowly than we do
    if not matches(shown, printed):
        wrong = mismatch(shown, printed)
        pytest.fail(f"{block}: $ {command}\nprints\n{printed}\nand not, as the page says,\n{wrong}")
    if status and (not shown or shown == ["…"]):
        pytest.fail(f"{block}: $ {command}\nends with status {status}:\n{printed}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_parts_of_lab_files_are_yaml(page: Path) -> None:
    """The blocks that no other test reads."""
    for block in blocks(page):
        if block.language == "yaml" and block.title is None:
            YAML(typ="safe").load(block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_overlooked(page: Path) -> None:
    """A language that nothing tests would be shown untested."""
    known = {"console", "python", "yaml", "text", "json", "sh", "toml"}
    assert {block.language for block in blocks(page)} <= known


@pytest.mark.parametrize(
    ("shown", "printed", "true"),
    [
        (["a b"], "a   b\n", True),
        (["reply after 514.8 µs"], "reply after 2.09 ms", True),
        (["a", "…", "z"], "a\nb\nc\nz\n", True),
        (["a", "…", "z"], "a\nz\n", True),
        (["a", "…", "z"], "a\nb\n", False),
        (["a"], "a\nb\n", False),
        (["…", "b"], "ab", False),
        ([], "", True),
        ([], "something", False),
        (["ID=7 DF"], "ID=12 DF", True),
        (["TTL=64"], "TTL=63", False),
        (["02:6b:91:02:e6:fd"], "02:bd:c5:04:7d:e0", False),
    ],
)
def test_what_counts_as_the_same(shown: list[str], printed: str, *, true: bool) -> None:
    """Times may differ and lines may break elsewhere; everything else must be as shown."""
    assert matches(shown, printed) is true
