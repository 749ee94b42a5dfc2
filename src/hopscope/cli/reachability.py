"""reachability: every pair of a running lab, or of one that is built for it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from hopscope.cli import printing
from hopscope.cli.hints import stands_again
from hopscope.cli.sources import STDOUT, source_of
from hopscope.errors import ExitCode, NoSuchLabError, UsageError
from hopscope.kernel import state
from hopscope.lab.declare import built_in, parse
from hopscope.lab.folder import file_of, write_file
from hopscope.lab.reachability import reach
from hopscope.lab.running import RunningLab
from hopscope.model import codec
from hopscope.model.reachability import Protocol, Reachability
from hopscope.render.matrix import matrix

if TYPE_CHECKING:
    from hopscope.lab.running import RunningLab as Lab

__all__ = ["reachability"]


def reachability(
    lab: str,
    *,
    froms: str | None,
    to: str | None,
    proto: str,
    port: int | None,
    timeout: float,
    arp: bool,
    name: str | None,
    picture: str | None,
    json: bool,
) -> None:
    """Probe, print, draw; exit 1 when a pair is not reached."""
    protocol = _protocol(proto)
    drawn = _picture(picture, json=json)
    with _standing(lab, name) as running:
        found = reach(
            running,
            _names("--from", froms),
            _names("--to", to),
            protocol=protocol,
            port=port,
            timeout=timeout,
            arp=arp,
        )
    if json:
        sys.stdout.buffer.write(codec.dump(found, indent=2) + b"\n")
    elif picture != STDOUT:
        printing.show(matrix(found))
        commands = " ".join(
            f"{one.mend} {one.reason}" for group in found.groups for one in group.looks
        )
        line = stands_again(commands, lab, name)
        if line and found.lab not in {one.name for one in state.running()}:
            printing.show(Padding(Text(line, "dim"), (0, 0, 0, 2)))
    if picture == STDOUT:
        sys.stdout.write(_drawn(found))
    elif drawn is not None:
        write_file(drawn, _drawn(found).encode())
        sys.stderr.write(f"written: {drawn}\n")
    sys.exit(ExitCode.OK if found.held else ExitCode.EXPECTATION_FAILED)


def _protocol(word: str) -> Protocol:
    try:
        return Protocol(word)
    except ValueError:
        near = get_close_matches(word, list(Protocol), n=1)
        hint = f"did you mean {str(near[0])!r}?" if near else f"one of: {', '.join(Protocol)}"
        raise UsageError(f"cannot probe with {word!r}; {hint}") from None


def _names(option: str, given: str | None) -> list[str]:
    """Those given; none is all, which nobody means by a list of none."""
    found = [name.strip() for name in (given or "").split(",") if name.strip()]
    if given is not None and not found:
        raise UsageError(f"{option} names no node in {given!r}; leave it out for all nodes")
    return found


@contextmanager
def _standing(lab: str, name: str | None) -> Iterator["Lab"]:
    """The lab that runs under that name, or one that is built for this and taken down again."""
    if name is None and not _is_file(lab):
        try:
            running = RunningLab.attach(lab)
        except NoSuchLabError:
            if lab not in built_in():
                raise
        else:
            with running.sandbox:
                yield running
            return
    source, file = source_of(lab)
    with RunningLab.start(parse(source, file), source.decode(), name=name) as made:
        yield made


def _is_file(lab: str) -> bool:
    """A path, standard input, or a file that no running lab has the name of."""
    if "/" in lab or lab == "-":
        return True
    return Path(lab).is_file() and lab not in {one.name for one in state.running()}


def _picture(file: str | None, *, json: bool) -> Path | None:
    """Where to write it, known before anything is probed; None for standard output, or none."""
    if file == STDOUT and json:
        message = "--json and --picture - both mean standard output; name a file for the picture"
        raise UsageError(message)
    if file is None or file == STDOUT:
        return None
    suffix = PurePath(file).suffix
    if suffix not in ("", ".svg"):
        raise UsageError(f"no picture is meant by {suffix}; its file ends in .svg")
    return file_of(file, "--picture")


def _drawn(found: Reachability) -> str:
    from hopscope.render.heatmap import heatmap

    return heatmap(found)
