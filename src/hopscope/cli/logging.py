"""log: what LOG rules reported, printed as a syslog file shows it, or handed to a syslog."""

import fcntl
import json as jsonlib
import os
import select
import shlex
import socket
import struct
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from hopscope.cli.syslog import Sender
from hopscope.errors import HopscopeError
from hopscope.kernel import state
from hopscope.kernel.growth import Growth
from hopscope.kernel.onhost.kmsg import KernelLine, KernelLog
from hopscope.kernel.sandbox import Sandbox
from hopscope.model.events import Logged
from hopscope.model.vocab import DevName, Nanos, NodeName
from hopscope.observe.loglines import LogReader, passed_over
from hopscope.render.logline import line, syslog_line
from hopscope.render.rfc5424 import priority
from hopscope.wire.nft import LOG_BURST, LOG_RATE

__all__ = ["Entry", "log"]

_SIOCGIFNAME: Final = 0x8910
_LOOKS: Final = 1.0  # seconds between two looks, while following, at what was passed over


class Entry(Struct, frozen=True):
    """One line: who said it and when, how serious it is, and what --json prints of it."""

    at: Nanos
    node: str
    level: int
    text: str
    event: Logged | None = None  # None: it stood in the machine's own kernel log


def log(
    lab: str,
    *,
    follow: bool,
    syslog: str | None,
    facility: str,
    level: str | None,
    json: bool,
) -> None:
    """All lines so far; with *follow*, then each as it comes, until the lab ends or Ctrl-C."""
    priority(facility, level or "warning")  # UsageError before anything is opened
    found = state.find(lab)
    boot = Nanos(found.boot or time.time_ns() - time.monotonic_ns())
    with ExitStack() as stack:
        outputs: list[Callable[[Entry], None]] = []
        if syslog is not None:
            sender = stack.enter_context(Sender(syslog, app="kernel", procid=""))
            outputs.append(lambda entry: _send(sender, entry, facility, level))
        if json:
            outputs.append(_print_json)
        elif syslog is None:
            outputs.append(lambda entry: _print(entry, boot))
        source = stack.enter_context(closing(_Source(found, boot)))
        try:
            for entry in source.entries(follow=follow):
                for output in outputs:
                    output(entry)
        except KeyboardInterrupt:
            _tell_lost(source)
            # a flush that was interrupted has written its line, and would write it again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(130)
        except BrokenPipeError:  # as of ``log --follow | head``; what is unwritten stays so
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        _tell_lost(source)
        if follow:
            sys.stderr.write(f"hopscope: lab {lab!r} has ended\n")


def _tell_lost(source: "_Source") -> None:
    """What cannot be among the lines, on stderr."""
    if source.lost:
        what = f"{source.lost} times there was more to report than could be kept"
        sys.stderr.write(f"hopscope: lines are missing: {what}\n")
    for node, count in source.passed_over().items():
        sys.stderr.write(f"hopscope: {_too_fast(node, count)}\n")


def _too_fast(node: NodeName, count: int) -> str:
    return (
        f"{count} packets passed {node} too fast to be watched for LOG rules ({LOG_RATE} a second, "
        f"after a burst of {LOG_BURST}); any lines of theirs are missing"
    )


def _print(entry: Entry, boot: Nanos) -> None:
    text = syslog_line(entry.text, at=entry.at, host=entry.node, boot=boot)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _print_json(entry: Entry) -> None:
    fields: dict[str, Any] = {"at": entry.at, "node": entry.node, "level": entry.level}
    if entry.event is not None:
        from hopscope.model import codec

        fields = codec.dump_part(entry.event)
    sys.stdout.write(jsonlib.dumps({**fields, "line": entry.text}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _send(sender: Sender, entry: Entry, facility: str, level: str | None) -> None:
    sender.send(
        entry.text,
        at=entry.at,
        host=entry.node,
        facility=facility,
        severity=entry.level if level is None else level,
    )


class _Source:
    """The lines of a lab: its record, and on the real host the kernel's own log."""

    def __init__(self, lab: state.LabFile, boot: Nanos) -> None:
        self._stack = ExitStack()
        with self._stack:  # on any failure, close what was opened
            self._sandbox = self._stack.enter_context(Sandbox.attach(lab))
            # through the descriptor it can be read to its end also when the lab is gone
            file = self._stack.enter_context((state.state_home() / lab.name / "nflog").open("rb"))
            self._record = Path(f"/proc/self/fd/{file.fileno()}")
            names = self._stack.enter_context(closing(_DeviceNames(self._sandbox)))
            nodes = [NodeName(name) for name in lab.recorded]
            self._reader = LogReader(self._record, nodes, names)
            self._lab = lab
            self._kernel: KernelLog | None = None
            self._passed_over: dict[NodeName, int] = {}
            self._looked = 0.0
            if lab.mode == "on-host":
                self._kernel = self._stack.enter_context(KernelLog(boot))
                self._prefixes = _prefixes(lab)
            self._stack = self._stack.pop_all()

    @property
    def lost(self) -> int:
        """How often lines were lost."""
        return self._reader.lost + (self._kernel.lost if self._kernel else 0)

    def passed_over(self) -> dict[NodeName, int]:
        """How many packets at least were not watched, by node that has LOG rules, if any.

        Of a lab that has ended, what was known last.
        """
        self._looked = time.monotonic()
        with suppress(HopscopeError, OSError):
            for node in self._reader.logging:
                if self._kernel is not None and node == self._lab.home:  # it says its own lines
                    continue
                if count := passed_over(self._sandbox, node):
                    self._passed_over[node] = count
        return self._passed_over

    def close(self) -> None:
        """Let go of the lab."""
        self._stack.close()

    def entries(self, *, follow: bool) -> Iterator[Entry]:
        """In the order of their times as far as they are there; then as they come."""
        growth = self._stack.enter_context(Growth(self._record)) if follow else None
        self._sandbox.flush()
        yield from sorted(self._new(), key=lambda entry: entry.at)
        if growth is None:
            return
        life = self._sandbox.life
        watched = [life, growth.fileno(), *([self._kernel.fileno()] if self._kernel else [])]
        ended = False
        while not ended:
            ended = life in select.select(watched, [], [])[0]
            growth.clear()
            yield from self._new()
            if time.monotonic() - self._looked >= _LOOKS:
                self.passed_over()

    def _new(self) -> Iterator[Entry]:
        for event in self._reader.read():
            if self._kernel is None or event.node != self._lab.home:  # it says those itself
                yield Entry(event.at, event.node, event.level, line(event), event)
        if self._kernel is not None:
            for said in self._kernel.read():
                if _is_ours(said, self._prefixes, self._lab.started):
                    yield Entry(said.at, self._lab.home, said.level, said.text)


def _is_ours(said: KernelLine, prefixes: Collection[str], started: int) -> bool:
    """A line of a LOG rule that carries a prefix of this lab's rules, since it stands."""
    return said.at >= started and any(said.text.startswith(f"{prefix}IN=") for prefix in prefixes)


def _prefixes(lab: state.LabFile) -> frozenset[str]:
    """Of the rules that the lab's file has for the real host."""
    from hopscope.lab.declare import parse
    from hopscope.model.lab import FirewallStep

    spec = parse(lab.source, lab.file)
    home = spec.node(lab.home)
    rules = [rule.text for rule in (*home.iptables, *home.ip6tables)]
    for step in spec.story:
        if isinstance(step, FirewallStep):
            rules += [rule.text for node, rule in step.lines if node == lab.home]
    return frozenset(_prefix(shlex.split(rule)) for rule in rules if "LOG" in rule)


def _prefix(words: list[str]) -> str:
    flag = "--log-prefix"
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.removeprefix(f"{flag}=")
    return ""


class _DeviceNames(Struct):
    """Names of devices by node and index, asked of the kernel when needed."""

    sandbox: Sandbox
    _sockets: dict[NodeName, socket.socket] = field(default_factory=dict)
    _known: dict[tuple[NodeName, int], DevName] = field(default_factory=dict)

    def __call__(self, node: NodeName, index: int) -> DevName | None:
        """The name now, else the last one known, else the index itself."""
        key = (node, index)
        try:
            if node not in self._sockets:
                kind = socket.SOCK_DGRAM
                self._sockets[node] = self.sandbox.open_socket(node, socket.AF_INET, kind, 0)
            asked = struct.pack("=16si20x", b"", index)
            answer: bytes = fcntl.ioctl(self._sockets[node], _SIOCGIFNAME, asked)
            self._known[key] = DevName(answer[:16].split(b"\0", 1)[0].decode())
        except (OSError, HopscopeError):
            self._known.setdefault(key, DevName(f"if{index}"))
        return self._known[key]

    def close(self) -> None:
        """Close the sockets."""
        for made in self._sockets.values():
            made.close()
