"""show, set, ping: looking at a running lab, and changing its sysctls."""

import json as jsonlib
import sys
from ipaddress import ip_address

from rich.console import Console

from hopscope.errors import ExitCode, UsageError
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.lab.story import ping as perform_ping
from hopscope.model import codec
from hopscope.model.lab import TABLES, PingStep
from hopscope.model.snapshot import Snapshot
from hopscope.model.vocab import NodeName
from hopscope.render import text

__all__ = ["ping", "set_sysctls", "show"]

_PARTS = {
    "links": ("links",),
    "neighbours": ("neighbours",),
    "fdb": ("fdb",),
    "routes": ("routes", "policy_rules"),
    "rules": ("chains",),
    "sysctls": ("sysctls",),
    "topology": ("links",),
}


def show(name: str, what: list[str], nodes: list[str], *, json: bool) -> None:
    """Tables, as text or JSON."""
    for word in what:
        if word not in TABLES:
            message = f"cannot show {word!r}; one of: {', '.join(TABLES)}"
            raise UsageError(message)
    running = RunningLab.attach(name, parse)
    with running.sandbox:
        snapshot = running.snapshot(nodes or None, rules="rules" in what)
    if json:
        sys.stdout.write(jsonlib.dumps(_as_json(what, snapshot), indent=2) + "\n")
    else:
        Console(highlight=False).print(text.tables(what, snapshot))


def _as_json(what: list[str], snapshot: Snapshot) -> list[dict[str, object]]:
    parts = ["name", "unread", *dict.fromkeys(part for word in what for part in _PARTS[word])]
    whole = codec.dump_part(snapshot)["nodes"]
    return [{part: node[part] for part in parts} for node in whole]


def set_sysctls(name: str, node: str, assignments: list[str]) -> None:
    """Set them one by one, telling each value before and after."""
    pairs = []
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            message = f"{assignment!r} is not KEY=VALUE, as net.ipv4.ip_forward=1"
            raise UsageError(message)
        pairs.append((key.strip(), value.strip()))
    running = RunningLab.attach(name, parse)
    with running.sandbox:
        for key, value in pairs:
            before, after = running.set_sysctl(node, key, value)
            sys.stdout.write(f"{node}: {key} = {after} (was {before})\n")


def ping(
    name: str,
    source: str,
    target: str,
    *,
    count: int,
    timeout: float,
    size: int,
    promiscuous: bool,
    verbose: bool,
    json: bool,
) -> None:
    """Ping in a running lab, and explain."""
    running = RunningLab.attach(name, parse)
    with running.sandbox:
        running.check_node(source)
        snapshot = running.snapshot(rules=False)
        address = _address(running, snapshot, source, target)
        step = PingStep(
            source=NodeName(source),
            target=target,
            address=address,
            count=count,
            timeout=timeout,
            size=size,
        )
        own = [
            str(a.ip)
            for link in snapshot.node(source).links
            for a in link.addresses
            if link.name != "lo"
        ]
        with running.observing([*own, address], promiscuous=promiscuous) as session:
            result = perform_ping(running, session, step)
    if json:
        sys.stdout.write(jsonlib.dumps(codec.dump_part(result), indent=2) + "\n")
    else:
        Console(highlight=False).print(text.result(result, verbose=verbose))
    sys.exit(ExitCode.OK if result.replied else ExitCode.EXPECTATION_FAILED)


def _address(running: RunningLab, snapshot: Snapshot, source: str, target: str) -> str:
    """An address as given, or the target node's address that the source is nearest to."""
    try:
        return str(ip_address(target))
    except ValueError:
        running.check_node(target)
    from hopscope.model.lookup import in_subnet

    found = [
        a.ip
        for link in snapshot.node(target).links
        if link.name != "lo"
        for a in link.addresses
        if not a.ip.startswith("fe80:")
    ]
    if not found:
        message = (
            f"{target} has no address to ping; give one, as hopscope exec LAB {target} "
            "-- ip addr add …"
        )
        raise UsageError(message)
    own = [str(a) for link in snapshot.node(source).links for a in link.addresses]
    near = [ip for ip in found if any(_same(cidr, ip) and in_subnet(cidr, ip) for cidr in own)]
    return (near or found)[0]


def _same(cidr: str, ip: str) -> bool:
    return (":" in cidr) == (":" in ip)
