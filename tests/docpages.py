"""The pages of the documentation, what stands in them, and a terminal that tries it out.

How an example is written, so that it is tested:

- ``console``: a line that begins with ``$ `` is typed at a shell, one with ``# `` at a shell
  inside a lab. What follows is what it prints: all of it, but for a line ``…``, which stands
  for any lines. Where lines are broken does not matter, nor do times, dates, process numbers
  and the numbers that a packet is given (see `VOLATILE`). A command without output beneath
  must succeed. One that ends in ``&`` is waited for until it has printed what is shown.
- ``yaml title="two.yaml"``: a whole lab, written to that file and judged by `hopscope check`.
  One called ``wrong…``, or another tool's (``.yml``), is only written. Without a title it is a
  part of one, and must be YAML.
- ``python``: a whole program. A ``text`` block right behind it is what it prints.

All examples of a page are tried in their order, in one fresh folder.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = [
    "PAGES",
    "ROOT",
    "Block",
    "Terminal",
    "blocks",
    "commands",
    "headings",
    "links",
    "matches",
    "mismatch",
    "tokens",
]

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=str))
VOLATILE: Final = (
    (r"(\d+\.\d+/){3}\d+\.\d+ ms", "TIMES"),
    (r"\d+(\.\d+)? ?(ns|µs|ms|s|m|h)\b", "TIME"),
    (r"\b(yes|no)(\s+)\d+\.\d\d\b", r"\1\2AGE"),
    (r"(?<![:\w])\d\d:\d\d:\d\d(\.\d+)?(?![:\w])", "CLOCK"),
    (r"\b[A-Z][a-z]{2} [ \d]\d CLOCK", "DATE"),
    (r"\[ *\d+\.\d{6}\]", "[UPTIME]"),
    (r"\b(ID|id)(=| )\d+", r"\1\2N"),
    (r"\b(sandbox|on-host)(\s+)\d+\b", r"\1\2PID"),
    (r"Linux \d\S*", "Linux RELEASE"),
)
"""What is different each time, and what stands for it on both sides; applied in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def tokens(page: Path) -> list[Token]:
    """The page, parsed."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> Iterator[Block]:
    """Its fenced blocks, in order."""
    for token in tokens(page):
        if token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            yield Block(
                page=page,
                line=(token.map or [0])[0] + 1,
                language=language,
                title=title[1] if title else None,
                text=token.content,
            )


def headings(page: Path) -> Iterator[str]:
    """The text of each heading, without code marks."""
    for token, following in pairwise(tokens(page)):
        if token.type == "heading_open":
            yield following.content.replace("`", "")


def links(page: Path) -> Iterator[str]:
    """Every target of a link or a picture."""
    for token in tokens(page):
        for child in token.children or ():
            target = child.attrGet("href" if child.type == "link_open" else "src")
            if target is not None:
                yield str(target)


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, and the lines beneath it."""
    command, shown = "", list[str]()
    for line in block.text.splitlines():
        if line.startswith(("$ ", "# ")):
            if command:
                yield command, shown
            command, shown = line[2:], []
        elif command.endswith("\\"):
            command = command[:-1] + line.strip()
        else:
            shown.append(line)
    if command:
        yield command, shown


def matches(shown: list[str], printed: str) -> bool:
    """Whether *printed* is what a page shows of it."""
    parts = ("(.* )?" if line.strip() == "…" else re.escape(_steady(line)) for line in shown)
    return re.fullmatch("".join(parts), _steady(printed)) is not None


def mismatch(shown: list[str], printed: str) -> str:
    """The first line shown that *printed* does not have at its place; none: it has more."""
    for number, line in enumerate(shown):
        if not matches([*shown[: number + 1], "…"], printed):
            return line
    return "(the end)"


def _steady(text: str) -> str:
    """Its words, each with a space behind it, and none that is different each time."""
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    return "".join(f"{word} " for word in text.split())


class Terminal:
    """A shell that is typed at, line by line; a shell started in it takes over."""

    _MARK: Final = "-- the command has ended:"

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=dict(environment),
        )

    def type(self, command: str, shown: list[str]) -> tuple[str, int]:
        """What it prints, and its exit status; one in the background prints what is *shown*."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n%s %d\\n' '{self._MARK}' $?\n")
        self._shell.stdin.flush()
        printed, status = "", None
        while status is None or (command.endswith("&") and not matches(shown, printed)):
            line = self._line()
            if line.startswith(self._MARK):
                printed, status = printed.removesuffix("\n"), int(line.split()[-1])
            else:
                printed += line
        return printed, status

    def _line(self) -> str:
        assert self._shell.stdout is not None
        line = self._shell.stdout.readline()
        if not line:
            raise EOFError("the shell has ended")
        return line

    def close(self) -> None:
        """Leave the shell, and those that were started in it."""
        self._shell.communicate()
