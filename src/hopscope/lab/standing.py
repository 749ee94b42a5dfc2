"""StandingLab: a running lab as Python sees it, with pings and the story."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

from hopscope.errors import Place, UsageError
from hopscope.kernel.read.ends import leads_out
from hopscope.lab.asked import check_ping, texts
from hopscope.lab.processes import folder
from hopscope.lab.readiness import output
from hopscope.lab.running import RunningLab
from hopscope.lab.story import perform
from hopscope.lab.story import ping as ping_once
from hopscope.model.lab import Expect, PingStep
from hopscope.model.lookup import in_subnet
from hopscope.model.process import ProcessState
from hopscope.model.record import PingResult, Record, StepResult
from hopscope.model.snapshot import NodeState
from hopscope.model.vocab import NodeName
from hopscope.trace.rewritten import given_by_rules

if TYPE_CHECKING:
    from hopscope.model.reachability import Reachability

__all__ = ["StandingLab"]


class StandingLab(RunningLab):
    """A lab that stands; as a context manager it ends the lab."""

    @classmethod
    def named(cls, name: str) -> Self:
        """A lab that ``hopscope up``, or another process, started; NoSuchLabError without one."""
        return cls.attach(name)

    def ping(
        self,
        source: str,
        target: str,
        *,
        count: int = 1,
        timeout: float = 1.0,
        size: int = 56,
        promiscuous: bool = True,
        expect: Mapping[str, object] | None = None,
    ) -> PingResult:
        """Ping a node, or an address, and trace every hop.

        *timeout* is in seconds for each reply, *size* the payload in bytes. What *promiscuous*
        does is told at `Session`. What is *expected*, in the words of a lab file, is checked and
        never raised: see `PingResult.held`. Raises UsageError for a node that is not there, or a
        number that cannot be; SpecError for what cannot be expected.
        """
        check_ping(count=count, timeout=timeout, size=size)
        self.check_node(source)
        asked = self._expected(source, target, expect) if expect is not None else None
        snapshot = self.snapshot()
        here = snapshot.node(source)
        address = self._address(here, target)
        step = PingStep(
            source=NodeName(source),
            target=target,
            address=address,
            count=count,
            timeout=timeout,
            size=size,
            expect=asked,
        )
        ips = (a.ip for link in here.links for a in link.addresses)
        own = [ip for ip in ips if not ip_address(ip).is_loopback]
        watched = {*own, address, *given_by_rules(snapshot)}
        with self.observing(sorted(watched), promiscuous=promiscuous, snapshot=snapshot) as session:
            return ping_once(self, session, step)

    def reachability(
        self,
        sources: str | Sequence[str] = (),
        targets: str | Sequence[str] = (),
        *,
        protocol: str = "icmp",
        port: int | None = None,
        timeout: float = 1.0,
    ) -> "Reachability":
        """Probe each target from each source; without names, all that have, or lost, an address.

        A target may be an address, too, whoever has it. *protocol* is icmp, tcp or udp, these two
        to a *port*; *timeout* is in seconds. Failures are grouped and explained in the result.
        Raises UsageError as `ping`.
        """
        from hopscope.lab.reachability import reach  # noqa: PLC0415 - few labs are probed so
        from hopscope.model.reachability import Protocol  # noqa: PLC0415

        if protocol not in list(Protocol):
            message = f"protocol is one of {', '.join(Protocol)}, not {protocol!r}"
            raise UsageError(message)
        froms = texts("sources", sources) if sources or sources == "" else ()
        tos = texts("targets", targets) if targets or targets == "" else ()
        how = Protocol(protocol)
        return reach(self, froms, tos, protocol=how, port=port, timeout=timeout)

    def perform(
        self, *, told: Callable[[StepResult], None] = lambda _: None, promiscuous: bool = True
    ) -> Record:
        """The lab's story, step by step; *told* hears each result as soon as it is known."""
        return perform(self, told=told, promiscuous=promiscuous)

    def processes(self) -> tuple[ProcessState, ...]:
        """How the processes fare that the lab declares, in its order."""
        from hopscope.plan.processes import declared  # noqa: PLC0415 - few labs have some

        found = {(one.node, one.name): one for one in self.sandbox.processes()}
        order = declared(self.spec) if found else {}
        return tuple(found[key] for key in dict.fromkeys([*order, *found]) if key in found)

    def output(self, node: str, process: str) -> str:
        """What a process printed, as far as it is kept; UsageError when there is no such one."""
        key = (self.check_node(node), process)
        known = [one.name for one in self.processes() if one.node == node]
        if process not in known:
            message = f"{node} runs no process {process!r}; it has {', '.join(known) or 'none'}"
            raise UsageError(message)
        return output(folder(self.name), key)

    def _expected(self, source: str, target: str, expect: Mapping[str, object]) -> Expect | None:
        from hopscope import spec  # noqa: PLC0415 - see declare.parse

        ping = {"from": source, "to": target, "expect": dict(expect)}
        return spec.parse_expect(self.file.source, self.file.file, ping, _caller())

    def _address(self, here: NodeState, target: str) -> str:
        """An address as given, or the target node's that is nearest to the source."""
        with suppress(ValueError):
            return str(ip_address(target))
        there = self.snapshot([self.check_node(target)], rules=False).nodes[0]
        found = [
            address.ip
            for link in sorted(there.links, key=lambda link: link.kind == "loopback")
            for address in link.addresses
            if leads_out(address.ip)
        ]
        if not found:  # declared, and lost with its device: a ping tells so
            node = self.spec.node(target)
            found = [one.cidr.partition("/")[0] for one in node.addresses if one.dev != "lo"]
        if not found:
            message = (
                f"{target} has no address to ping; give it one: "
                f"hopscope exec {self.name} {target} -- ip address add ADDRESS/PREFIX dev DEVICE"
            )
            raise UsageError(message)
        own = [str(address) for link in here.links for address in link.addresses]
        near = (ip for ip in found if any(in_subnet(cidr, ip) for cidr in own))
        return next(near, found[0])


def _caller() -> Place:
    """The line that called into hopscope, as `Lab` tells it of each part."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack() reads every source file on the way
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("hopscope."):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno, 1)
