"""A shell script of ip, bridge, sysctl and iptables commands → the lab that it builds.

Nobody can read what a script does, so it is run, in a sandbox; what then stands is read.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from hopscope.errors import Place, UsageError
from hopscope.kernel.protocol import Completed
from hopscope.lab.imports.heard import FOLDER, HEAD, PRELUDE, Said, ending, heard
from hopscope.lab.imports.hints import advice, hint, taken_down
from hopscope.lab.imports.imported import Imported
from hopscope.lab.imports.leftrunning import left_running
from hopscope.lab.imports.proving import lost
from hopscope.lab.imports.recover import recover
from hopscope.lab.imports.renaming import Renaming
from hopscope.lab.imports.workshop import HERE, Workshop, opened
from hopscope.plan.names import HOME
from hopscope.spec.foreign import Note

__all__ = ["SECONDS", "from_script"]

SECONDS: Final = 60.0
_GRACE: Final = 10.0  # seconds more, in which a script ends that has reached its limit
_SHELLS: Final = ("sh", "bash", "dash", "ash", "ksh", "zsh")
_UPLINK: Final = """
ip netns add internet
ip link add name "$1" type veth peer name eth0 netns internet
ip addr add 198.51.100.2/24 dev "$1"
ip link set "$1" up
ip -n internet addr add 198.51.100.1/24 dev eth0
ip -n internet link set lo up
ip -n internet link set eth0 up
ip route add default via 198.51.100.1
"""
"""Addresses that are nobody's (RFC 5737)."""

_KILLED: Final = 137  # by timeout
_LAST: Final = 4  # notes that tell why nothing came of it
_LONGEST: Final = 500  # characters of a note
_MOST_SAID: Final = 20  # notes of what commands said; a loop may say a thing a thousand times


def from_script(
    text: str,
    file: str,
    *,
    name: str,
    arguments: Sequence[str] = (),
    seconds: float = SECONDS,
    uplink: str | None = None,
) -> Imported:
    """Run the script, for *seconds* at most. UsageError when it left nothing behind.

    *uplink* is a device that it finds, with a default route.
    """
    with opened(home=True) as workshop:
        workshop.sandbox.run(HERE, ["ip", "link", "set", "lo", "up"])  # as on a machine
        if uplink is not None:
            _connect(workshop, uplink)
        done = _run(workshop, text, file, arguments, seconds)
        running = left_running(workshop)
        written = workshop.written()
        found = workshop.sandbox.adopt()
        facts = workshop.facts([HERE, *found])
        fresh, usual_queues = workshop.fresh, workshop.usual_queues
    said = heard(done.stderr, done.stdout, text)
    advised = advice(said, uplink=uplink is not None)
    notes = [*_complaints(done, said, file), *_placed(advised, file)]
    notes += _end(done, said, file, seconds)
    renaming = Renaming(facts, {HERE: HOME})
    tree, left = recover(
        renaming.facts,
        fresh,
        name=name,
        description=f"Imported from {file}.",
        usual_queues=usual_queues,
    )
    if not tree["nodes"][HOME] and f"{HOME}:" not in _ends(tree):  # the script only began there
        del tree["nodes"][HOME]
    if not tree["nodes"]:
        why = "".join(f"\n{note}" for note in notes[-_LAST:])
        if (down := taken_down(said)) is not None and not notes:
            why = f"\n{file}:{down.line}: {down.in_a_line}: a script must leave what it builds"
        message = f"{file} left no namespace and no device behind{why}"
        raise UsageError(message)
    whole = Place(file, 0, 0)
    left += [f"{node}: {_said_of(command)}" for node, command in renaming.named(running)]
    left += lost(tree, renaming.facts, left, usual_queues)
    left += [f"the file {path} is left out: a node has this machine's files" for path in written]
    notes += [Note(place=whole, text=one) for one in (*renaming.notes, *left)]
    return Imported(tree=tree, notes=tuple(notes))


def _ends(tree: Mapping[str, Any]) -> str:
    """Everything that names an end or a device below, as one text."""
    over = [
        str(device.get("over"))
        for node in tree["nodes"].values()
        for device in node.get("devices", {}).values()
    ]
    return f"{over}{tree.get('links', '')}"


def _said_of(command: str) -> str:
    return f"{command} still ran, and is left out; in the lab file: run: [{json.dumps(command)}]"


def _connect(workshop: Workshop, uplink: str) -> None:
    """A device that leads to a namespace of its own, and a default route through it."""
    done = workshop.sandbox.run(HERE, ["sh", "-ec", _UPLINK, "sh", uplink])
    if done.code:
        said = " ".join(done.stderr.decode(errors="replace").split())
        message = f"the uplink {uplink!r} cannot be made: {said}"
        raise UsageError(message)


def _run(
    workshop: Workshop, text: str, file: str, arguments: Sequence[str], seconds: float
) -> Completed:
    """With a trace, so that it is known which line said what."""
    path = f"{FOLDER}{PurePath(file).name or 'script'}"
    workshop.put(path, text)
    shell = _shell(text)
    traced = [shell, "-x", path]
    if shell in ("sh", "bash") and workshop.has("bash"):  # it knows its lines, dash does not
        options = ["--posix", "-O", "xpg_echo"] if shell == "sh" else []
        traced = ["bash", *options, "-c", PRELUDE, path]
    argv = workshop.prepared([*traced, *arguments], seconds, PS4=HEAD)
    return workshop.sandbox.run(HERE, argv, within=seconds + _GRACE)


def _shell(text: str) -> str:
    """What the first line asks for, of the shells that there are."""
    first = text.partition("\n")[0]
    match = re.match(r"#!\s*(?:/usr/bin/env\s+(?:-S\s+)?)?(\S+)", first)
    wanted = PurePath(match[1]).name if match else "sh"
    if match and wanted not in _SHELLS:
        message = f"this is a program for {wanted}, and only shell scripts are imported"
        raise UsageError(message)
    return wanted


def _complaints(done: Completed, said: Sequence[Said], file: str) -> Iterator[Note]:
    """What commands complained of."""
    last = ending(said) if done.code else None
    for one in [one for one in said if one.words][:_MOST_SAID]:
        words = "; ".join(re.sub(rf"^{FOLDER}\S+: line \d+: ", "", word) for word in one.words)
        meant = "" if one is last else hint(one.in_a_line, words)
        yield _note(file, one.line, f"{one.in_a_line}: {words}{meant}")


def _placed(told: Iterable[tuple[int, str]], file: str) -> Iterator[Note]:
    return (_note(file, line, text) for line, text in told)


def _note(file: str, line: int, text: str) -> Note:
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return Note(place=Place(file, line, 0), text=shown)


def _end(done: Completed, said: Sequence[Said], file: str, seconds: float) -> Iterator[Note]:
    """How it ended, if not well, and what it had printed."""
    if done.code == 0:
        return
    last = ending(said)
    ended = (
        f"was stopped after {seconds:g} s"
        if done.code in (_KILLED, -9)
        else f"ended with exit status {done.code}"
    )
    meant = hint(last.in_a_line, "; ".join(last.words))
    where = f" at: {last.in_a_line}{meant}" if last.command else ""
    printed = [(one.line, f"it had printed: {line}") for one in said for line in one.printed]
    told = [(last.line, f"the script {ended}{where}"), *printed[-_MOST_SAID:]]
    yield from _placed(told, file)
