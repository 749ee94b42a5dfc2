"""What ``--help`` prints, and the usage line that mistakes quote: drawn from the commands."""

from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from textwrap import fill
from typing import Final

from hopscope.cli.words import Command, Option

__all__ = ["OPTIONS", "USAGE", "manual", "overview", "usage"]

USAGE: Final = "Usage: hopscope [OPTIONS] COMMAND …"
OPTIONS: Final = (
    Option(("--version",), "Print it."),
    Option(("--help", "-h"), "Print this."),
)
"""Of hopscope itself; ``--help`` is every command's too."""

_ABOUT: Final = (
    "Build a container network in milliseconds, send a packet, "
    "and see every hop it takes: predicted, observed, explained."
)
_WIDEST_NAME: Final = 22
_NARROW, _WIDE = 60, 100  # columns; between them the terminal decides


def usage(command: Command) -> str:
    """``Usage: hopscope shell [OPTIONS] LAB [NODE]``."""
    words = ["Usage: hopscope", command.name, "[OPTIONS]", *(a.metavar for a in command.arguments)]
    return " ".join(words)


def manual(command: Command) -> str:
    """One command: what it does, its arguments, its options."""
    arguments = [(argument.metavar, argument.meaning) for argument in command.arguments]
    parts = [
        usage(command),
        *_paragraphs(command.help, *command.more.split("\n\n")),
        _section("Arguments", arguments),
        _section("Options", map(_option, (*command.options, OPTIONS[-1]))),
    ]
    if command.lists is not None:
        title, members = command.lists
        parts.append(f"{title}:\n{_filled(', '.join(members()))}")
    return "\n\n".join(filter(None, parts)) + "\n"


def overview(commands: Sequence[Command]) -> str:
    """All of them, a line each."""
    parts = [
        USAGE,
        *_paragraphs(_ABOUT),
        _section("Commands", [(command.name, command.help) for command in commands]),
        _section("Options", map(_option, OPTIONS)),
        *_paragraphs("Begin with: hopscope run bridge"),
    ]
    return "\n\n".join(parts) + "\n"


def _option(option: Option) -> tuple[str, str]:
    """``-c, --count N``, and what it means."""
    long, *short = option.names
    if option.off:
        long = long.replace("--", "--[no-]", 1)
    return f"{', '.join([*short, long])} {option.metavar}".rstrip(), option.meaning


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Names to the left, what they mean to the right of the widest that is not too wide."""
    rows = list(rows)
    fitting = [len(name) for name, _ in rows if len(name) <= _WIDEST_NAME]
    indent = " " * (max(fitting, default=_WIDEST_NAME) + 4)
    lines = []
    for name, meaning in rows:
        first = f"  {name}  "
        if len(first) > len(indent):
            lines.append(first.rstrip())
            first = indent
        lines.append(_filled(meaning, first.ljust(len(indent)), indent))
    return "\n".join([f"{title}:", *lines]) if lines else ""


def _paragraphs(*texts: str) -> list[str]:
    return [_filled(text) for text in texts if text]


def _filled(text: str, first: str = "  ", then: str = "  ") -> str:
    width = min(max(get_terminal_size().columns, _NARROW), _WIDE)
    return fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )
