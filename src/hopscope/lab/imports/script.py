"""A shell script of ip, bridge, sysctl and iptables commands → the lab that it builds.

Nobody can read what a script does, so it is run, in a sandbox; what then stands is read.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from msgspec import Struct

from hopscope.errors import Place, UsageError
from hopscope.kernel.protocol import Completed
from hopscope.lab.imports.hints import hint
from hopscope.lab.imports.imported import Imported
from hopscope.lab.imports.leftrunning import left_running
from hopscope.lab.imports.proving import lost
from hopscope.lab.imports.recover import recover
from hopscope.lab.imports.renaming import Renaming
from hopscope.lab.imports.workshop import HERE, Workshop, opened
from hopscope.plan.compile import HOME
from hopscope.spec.foreign import Note

__all__ = ["SECONDS", "from_script"]

SECONDS: Final = 60.0
_GRACE: Final = 10.0  # seconds more, in which a script ends that has reached its limit
_SHELLS: Final = ("sh", "bash", "dash", "ash", "ksh", "zsh")
_FOLDER: Final = "/run/hopscope/"
_TRACE: Final = "+hopscope ${LINENO:-0}: "
_TRACED: Final = re.compile(r"\++hopscope (\d+): (.*)")
_KILLED: Final = 137  # by timeout
_LAST: Final = 4  # notes that tell why nothing came of it
_MOST_READ: Final = 1 << 20  # bytes of what it printed, and of what commands said: the last ones
_LONGEST: Final = 500  # characters of a note
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # which a lab file takes none of
_MOST_SAID: Final = 20  # notes of what commands said; a loop may say a thing a thousand times


class _Said(Struct, frozen=True):
    """A command of the script, and what it wrote to standard error."""

    line: int
    command: str
    words: tuple[str, ...]


def from_script(
    text: str, file: str, *, name: str, arguments: Sequence[str] = (), seconds: float = SECONDS
) -> Imported:
    """Run the script, for *seconds* at most. UsageError when it left nothing behind."""
    with opened(home=True) as workshop:
        workshop.sandbox.run(HERE, ["ip", "link", "set", "lo", "up"])  # as on a machine
        done = _run(workshop, text, file, arguments, seconds)
        running = left_running(workshop)
        found = workshop.sandbox.adopt()
        facts = workshop.facts([HERE, *found])
        fresh, usual_queues = workshop.fresh, workshop.usual_queues
    notes = list(_notes(done, file, seconds))
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
        message = f"{file} left no namespace and no device behind{why}"
        raise UsageError(message)
    whole = Place(file, 0, 0)
    left += [f"{node}: {_said_of(command)}" for node, command in renaming.named(running)]
    left += lost(tree, renaming.facts, left, usual_queues)
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


def _run(
    workshop: Workshop, text: str, file: str, arguments: Sequence[str], seconds: float
) -> Completed:
    """With a trace, so that it is known which line said what."""
    path = f"{_FOLDER}{PurePath(file).name or 'script'}"
    workshop.put(path, text)
    shell = _shell(text)
    traced = [shell, "-x", path]
    if shell in ("sh", "bash") and workshop.has("bash"):  # it knows its lines, dash does not
        options = ["--posix", "-O", "xpg_echo"] if shell == "sh" else []
        traced = ["bash", *options, "-c", f"PS4='{_TRACE}'; set -x; . \"$0\"", path]
    argv = workshop.prepared([*traced, *arguments], seconds, PS4=_TRACE)
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


def _notes(done: Completed, file: str, seconds: float) -> Iterator[Note]:
    """What commands complained of, and how it ended."""
    said = list(_said(_read(done.stderr)))
    ending = said[-1] if said and done.code else None
    for one in [one for one in said if one.words][:_MOST_SAID]:
        words = "; ".join(re.sub(rf"^{_FOLDER}\S+: line \d+: ", "", word) for word in one.words)
        meant = "" if one is ending else hint(one.command, words)
        yield _note(file, one.line, f"{one.command}: {words}{meant}")
    if done.code == 0:
        return
    last = said[-1] if said else _Said(0, "", ())
    ended = (
        f"was stopped after {seconds:g} s"
        if done.code in (_KILLED, -9)
        else f"ended with exit status {done.code}"
    )
    meant = hint(last.command, "; ".join(last.words))
    where = f" at: {last.command}{meant}" if last.command else ""
    yield _note(file, last.line, f"the script {ended}{where}")
    printed = filter(None, _read(done.stdout).splitlines())
    for line in list(printed)[-_MOST_SAID:]:
        yield _note(file, last.line, f"it had printed: {line}")


def _read(output: bytes) -> str:
    return _CONTROLS.sub("", output[-_MOST_READ:].decode(errors="replace"))


def _note(file: str, line: int, text: str) -> Note:
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return Note(place=Place(file, line, 0), text=shown)


def _open(text: str, quote: str = "") -> str:
    """The mark of the quotation that has not ended, or ""; *text* begins within *quote*."""
    escaped = False
    for each in text:
        if escaped:
            escaped = False
        elif each == "\\" and quote != "'":
            escaped = True
        elif each == quote:
            quote = ""
        elif not quote and each in "'\"":
            quote = each
    return quote


def _said(text: str) -> Iterator[_Said]:
    """The commands in the order in which they were run, but for ours that begins it all."""
    line, command, words, quote = 0, "", list[str](), ""
    for each in text.splitlines():
        match = _TRACED.fullmatch(each)
        if match is not None and match[2].startswith(f". {_FOLDER}"):
            continue
        if match is None and quote:
            command += f"\n{each}"  # a word of it has several lines
            quote = _open(each, quote)
            continue
        if match is None:
            words += [each] if each.strip() else []
            continue
        if command or words:
            yield _Said(line, _in_a_line(command), tuple(words))
        line, command, words, quote = int(match[1]), match[2], [], _open(match[2])
    if command or words:
        yield _Said(line, _in_a_line(command), tuple(words))


def _in_a_line(command: str) -> str:
    first, newline, _ = command.partition("\n")
    return first + (" …" if newline else "")
