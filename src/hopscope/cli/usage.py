"""How a call is parsed, and how its usage and its mistakes are written: typer's, made plain."""

import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperCommand

from hopscope.errors import ExitCode, UsageError

__all__ = ["PlainCommand", "call"]

_KIND: Final = re.compile(r" <[^<>]+>$")


class PlainCommand(TyperCommand):
    """A command whose usage names its arguments as its help does, without types of Python."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS] LAB [NODE]``: an argument is written as its metavar is."""
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *(str(one.metavar or one.name) for one in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments with what they mean, then the options."""
        told: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and parameter.param_type_name == "argument":
                meaning = record[1].removesuffix("[required]").strip()
                told["Arguments"].append((_KIND.sub("", record[0]), meaning))
            elif record is not None:
                told["Options"].append(record)
        for title, rows in told.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def call(arguments: Sequence[str]) -> None:
    """Parse and run; what the command raises passes through, as the parser's own main would not.

    Raises UsageError for a call that cannot be parsed.
    """
    from hopscope.cli.app import app

    command = typer.main.get_command(app)
    try:
        with command.make_context("hopscope", _completed(arguments)) as context:
            command.invoke(context)
    except typer.Exit as error:
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        if hasattr(error, "format_message"):  # so the parser's own mistakes are known
            _mistaken(error)
        raise


def _completed(arguments: Sequence[str]) -> list[str]:
    """``log --syslog`` may stand without an address, which the parser does not know of."""
    found = list(arguments)
    if found[:1] == ["log"] and "--syslog" in found:
        following = found.index("--syslog") + 1
        if not found[following : following + 1] or found[following].startswith("-"):
            found.insert(following, "local")
    return found


def _mistaken(error: Any) -> NoReturn:
    """In our words: what is wrong, how it is called, where to read more."""
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        raise SystemExit(ExitCode.USAGE)
    message = error.format_message()
    lines = [message[:1].lower() + message[1:].rstrip(".")]
    context = getattr(error, "ctx", None)
    if context is not None:
        lines += [context.get_usage(), f"More: {context.command_path} --help"]
    raise UsageError("\n".join(lines)) from None
