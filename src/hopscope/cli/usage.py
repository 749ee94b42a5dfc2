"""How a call is read: the command by name, its options by argparse, its arguments by place."""

import re
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

from hopscope.cli.app import COMMANDS
from hopscope.cli.loading import load_msgspec
from hopscope.cli.words import Command, Option
from hopscope.errors import ExitCode, UsageError

__all__ = ["call", "read"]

_HELP: Final = ("--help", "-h")
_VERSION: Final = "--version"
_OUR_WORDS: Final = {
    r"^argument ([^:/]+)[^:]*:": r"option \1:",
    r"expected one argument$": "needs a value",
    r"ignored explicit argument (.*)": r"has no value, but was given \1",
}
"""What argparse says, and what we say: its arguments are options and values too."""

_BY_NAME: Final = {command.name: command for command in COMMANDS}


def call(arguments: Sequence[str]) -> None:
    """Do what is asked.

    Raises UsageError for a call that cannot be read.
    """
    name, *words = arguments or [""]
    if name in ("", *_HELP):
        from hopscope.cli.manual import overview

        (sys.stdout if name else sys.stderr).write(overview(COMMANDS))
        if not name:
            raise SystemExit(ExitCode.USAGE)
    elif name == _VERSION:
        from hopscope.version import VERSION

        sys.stdout.write(f"hopscope {VERSION}\n")
    elif name in _BY_NAME:
        _perform(_BY_NAME[name], words)
    elif name.startswith("-"):
        raise _mistake(_no_option(name, (*_HELP, _VERSION)))
    else:
        raise _mistake(f"no such command {name!r}{_near(name, _BY_NAME)}")


def _perform(command: Command, words: Sequence[str]) -> None:
    places, options = read(command, words)
    if options.pop("help"):
        from hopscope.cli.manual import manual

        sys.stdout.write(manual(command))
        return
    if command.name != "run":  # which has more to do meanwhile
        load_msgspec()
    module, _, function = command.does.partition(".")
    getattr(import_module(f"hopscope.cli.{module}"), function)(*places, **options)


def read(command: Command, words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments by place and the options by keyword, among them whether ``help`` is asked.

    Raises UsageError.
    """
    ours, others = _parted(command, words)
    found, rest = _parser(command).parse_known_args(ours)
    options = vars(found)
    if options["help"]:
        return [], options
    for option in command.options:
        if options[option.called] == "":  # as of a shell's variable that is not set
            raise _mistake(f"option {option.names[0]}: needs a value, not an empty one", command)
    for word in rest:
        if word.startswith("-") and word != "-":
            known = [name for option in command.options for name in (*option.names, option.off)]
            raise _mistake(_no_option(word, (*_HELP, *known)), command)
    return _placed(command, [*rest, *others]), options


def _parted(command: Command, words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The words among which options may stand, and those that are taken as they are."""
    missing = len(command.arguments)
    for at, word in enumerate(words):
        if word == "--":
            return words[:at], words[at + 1 :]
        missing -= not word.startswith("-")
        if command.passes_on and not missing:
            return words[:at], words[at:]
    return words, ()


def _placed(command: Command, words: Sequence[str]) -> list[Any]:
    """What each argument is; argparse would close a list of them at the first option."""
    places: list[Any] = []
    left = list(words)
    for argument in command.arguments:
        given = left if argument.many else left[:1]
        left = left[len(given) :]
        if not given and argument.needed:
            raise _mistake(f"missing argument {argument.metavar!r}", command)
        if argument.many:
            places.append(given or list(argument.default or ()))
        else:
            places.append(given[0] if given else argument.default)
    if left:
        raise _mistake(f"unexpected argument {left[0]!r}", command)
    return places


class _Parser(ArgumentParser):
    """Of a command's options, whose mistakes are told as ours are."""

    def __init__(self, command: Command) -> None:
        super().__init__(prog="hopscope", usage="", add_help=False, allow_abbrev=False)
        self.command = command

    def error(self, message: str) -> NoReturn:
        """Raise it, in our words."""
        for theirs, our in _OUR_WORDS.items():
            message = re.sub(theirs, our, message)
        raise _mistake(message, self.command)


def _parser(command: Command) -> _Parser:
    parser = _Parser(command)
    parser.add_argument(*_HELP, action="store_true", dest="help")
    for option in command.options:
        parser.add_argument(*option.names, dest=option.called, **_action(option))
    return parser


def _action(option: Option) -> dict[str, Any]:
    """An option in argparse's words."""
    if option.off:
        return {"action": BooleanOptionalAction, "default": True}
    if not option.metavar:
        return {"action": "store_true"}
    if option.several:
        return {"action": "append", "default": []}
    bare = {} if option.bare is None else {"nargs": "?", "const": option.bare}
    return {"type": option.value, "default": option.default, **bare}


def _mistake(said: str, command: Command | None = None) -> UsageError:
    """What is wrong, how it is called, where to read more."""
    from hopscope.cli.manual import USAGE, usage

    how, name = (usage(command), f" {command.name}") if command else (USAGE, "")
    return UsageError(f"{said}\n{how}\nMore: hopscope{name} --help")


def _no_option(word: str, known: Iterable[str]) -> str:
    name = word.partition("=")[0]
    return f"no such option: {name}{_near(name, known)}"


def _near(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
