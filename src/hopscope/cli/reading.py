"""show, set, ping: looking at a running lab, and changing its sysctls."""

import json as jsonlib
import sys
from difflib import get_close_matches

from msgspec.structs import replace

from hopscope.cli import printing
from hopscope.errors import ExitCode, UsageError
from hopscope.lab.choosing import chosen
from hopscope.lab.standing import StandingLab
from hopscope.model import codec
from hopscope.model.lab import TABLES
from hopscope.model.snapshot import Snapshot
from hopscope.render import text

__all__ = ["ping", "set_sysctls", "show"]

_PARTS = {
    "links": ("links",),
    "neighbours": ("neighbours",),
    "fdb": ("fdb", "remotes"),
    "routes": ("routes", "policy_rules"),
    "policy": ("policy_rules",),
    "qdiscs": ("qdiscs",),
    "rules": ("chains",),
    "sysctls": ("sysctls",),
    "topology": ("links",),
}


def show(name: str, what: list[str], nodes: list[str], *, json: bool) -> None:
    """Tables, as text or JSON."""
    for word in what:
        if word not in TABLES:
            near = get_close_matches(word, TABLES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(TABLES)}"
            message = f"cannot show {word!r}; {hint}"
            raise UsageError(message)
    running = StandingLab.named(name)
    named = [one.strip() for node in nodes for one in node.split(",")]
    only = chosen(running, named)
    with running.sandbox:
        whole = running.snapshot(rules="rules" in what)  # whose a MAC is, another node may tell
    snapshot = replace(whole, nodes=tuple(whole.node(one) for one in only) or whole.nodes)
    if json:
        sys.stdout.write(jsonlib.dumps(_as_json(what, snapshot), indent=2) + "\n")
    else:
        printing.show(text.tables(what, snapshot, whole))


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
    running = StandingLab.named(name)
    with running.sandbox:
        for one in chosen(running, [node]):
            for key, value in pairs:
                before, after = running.set_sysctl(one, key, value)
                sys.stdout.write(f"{one}: {key} = {after} (was {before})\n")


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
    running = StandingLab.named(name)
    with running.sandbox:
        result = running.ping(
            source, target, count=count, timeout=timeout, size=size, promiscuous=promiscuous
        )
    if json:
        sys.stdout.write(jsonlib.dumps(codec.dump_part(result), indent=2) + "\n")
    else:
        printing.console().print(text.result(result, verbose=verbose), crop=False)
    sys.exit(ExitCode.OK if result.replied else ExitCode.EXPECTATION_FAILED)
