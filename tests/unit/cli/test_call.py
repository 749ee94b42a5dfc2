"""How a call is read, what it leaves out, and how its mistakes are told."""

from importlib import import_module
from inspect import signature
from typing import Any

import pytest

from hopscope.cli.app import COMMANDS
from hopscope.cli.usage import call, read
from hopscope.cli.words import Command
from hopscope.errors import UsageError

BY_NAME = {command.name: command for command in COMMANDS}


def given(line: str) -> tuple[list[Any], dict[str, Any]]:
    """What a command's function would be called with, without what was left out."""
    name, *words = line.split()
    places, options = read(BY_NAME[name], words)
    _, usual = read(BY_NAME[name], _least(BY_NAME[name]))
    return places, {key: value for key, value in options.items() if value != usual[key]}


def _least(command: Command) -> list[str]:
    return ["x" for argument in command.arguments if argument.needed]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_function_takes_what_the_command_is_called_with(command: Command) -> None:
    """No argument or option is declared that nobody would get, and none is forgotten."""
    module, _, name = command.does.partition(".")
    function = getattr(import_module(f"hopscope.cli.{module}"), name)
    places, options = read(command, _least(command))
    assert options.pop("help") is False
    bound = signature(function).bind(*places, **options)
    assert set(bound.arguments) == set(signature(function).parameters)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_only_the_last_argument_may_be_several_words(command: Command) -> None:
    """Those behind it would get nothing; and what may be missing stands behind what may not."""
    assert not any(argument.many for argument in command.arguments[:-1])
    needed = [argument.needed for argument in command.arguments]
    assert needed == sorted(needed, reverse=True)


@pytest.mark.parametrize(
    ("line", "places", "options"),
    [
        ("ls", [], {}),
        ("show lab", ["lab", ["topology"]], {}),
        ("show lab fdb -n a links --node b", ["lab", ["fdb", "links"]], {"nodes": ["a", "b"]}),
        ("show --json lab -na", ["lab", ["topology"]], {"nodes": ["a"], "json": True}),
        ("shell lab", ["lab", None], {}),
        ("schema", ["lab"], {}),
        ("check -", ["-"], {}),
        ("down a -q b", [["a", "b"]], {"quiet": True}),
        ("down --all", [[]], {"every": True}),
        ("check -- -x", ["-x"], {}),
        (
            "run --no-promiscuous -vq lab",
            ["lab"],
            {"promiscuous": False, "verbose": True, "quiet": True},
        ),
        ("run --no-promiscuous --promiscuous lab", ["lab"], {}),
        (
            "ping -c5 lab -W .5 a --size=12 b",
            ["lab", "a", "b"],
            {"count": 5, "timeout": 0.5, "size": 12},
        ),
        ("log lab --syslog", ["lab"], {"syslog": "local"}),
        ("log lab --syslog -f", ["lab"], {"syslog": "local", "follow": True}),
        ("log --syslog udp://[::1] lab", ["lab"], {"syslog": "udp://[::1]"}),
        ("log --syslog -- lab", ["lab"], {"syslog": "local"}),
        ("exec lab ns1 ls --syslog -- -h", ["lab", "ns1", ["ls", "--syslog", "--", "-h"]], {}),
        ("exec lab ns1 -- -odd -- --help", ["lab", "ns1", ["-odd", "--", "--help"]], {}),
        ("exec -- lab ns1 -odd", ["lab", "ns1", ["-odd"]], {}),
    ],
    ids=str,
)
def test_calls(line: str, places: list[Any], options: dict[str, Any]) -> None:
    """Options stand where one likes; what follows -- is never one."""
    assert given(line) == (places, options)


@pytest.mark.parametrize("line", ["run -h", "ping lab --help a", "exec lab ns1 --help", "ls -x -h"])
def test_help_is_asked(line: str) -> None:
    """Wherever it stands, and whatever is missing."""
    name, *words = line.split()
    assert read(BY_NAME[name], words)[1]["help"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rum", "no such command 'rum'; did you mean 'run'?"),
        ("xyzzy", "no such command 'xyzzy'"),
        ("--verzion", "no such option: --verzion; did you mean '--version'?"),
        ("log lab --sysl", "no such option: --sysl; did you mean '--syslog'?"),
        ("ls --jso=1", "no such option: --jso; did you mean '--json'?"),
        ("exec lab ns1 -x ls", "no such option: -x"),
        ("diff a b", "unexpected argument 'b'"),
        ("ping a", "missing argument 'FROM'"),
        ("set lab ns1", "missing argument 'KEY=VALUE…'"),
        ("exec lab -- ns1", "missing argument '-- CMD [ARG…]'"),
        ("log --syslog lab", "missing argument 'LAB'"),
        ("run --name", "option --name: needs a value"),
        ("run lab --name --json", "option --name: needs a value"),
        ("run lab --name=", "option --name: needs a value, not an empty one"),
        ("reachability lab --from=", "option --from: needs a value, not an empty one"),
        ("down -q=3 a", "option --quiet: has no value, but was given '3'"),
        ("ping a b c -c 1.5", "option --count: '1.5' is not a whole number, 1 to 1000"),
        ("ping a b c -c 1001", "option --count: '1001' is not a whole number, 1 to 1000"),
        ("ping a b c -W nan", "option --timeout: 'nan' is not a number, at least 0.01"),
        ("ping a b c --size 11", "option --size: '11' is not a whole number, 12 to 65507"),
    ],
    ids=str,
)
def test_mistakes(line: str, said: str) -> None:
    """What is wrong, how it is called, where to read more."""
    words = line.split()
    with pytest.raises(UsageError) as raised:
        call(words)
    what, usage, more = str(raised.value).splitlines()
    name = f"hopscope {words[0]}" if words[0] in BY_NAME else "hopscope"
    assert what == said
    assert usage.startswith(f"Usage: {name} [OPTIONS]")
    assert more == f"More: {name} --help"


def test_without_a_word_all_commands_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As a mistake: on standard error."""
    with pytest.raises(SystemExit) as ended:
        call([])
    output = capsys.readouterr()
    assert (ended.value.code, output.out) == (2, "")
    assert output.err.startswith("Usage: hopscope [OPTIONS] COMMAND …\n")
