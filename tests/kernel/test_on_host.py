"""A refusal at each operation of a plan on the host is rolled back exactly.

The host's part is played by a namespace of the test's own, so this module runs itself
there as a program, and tells what it found as JSON.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from hopscope.errors import CannotError, HopscopeError
from hopscope.kernel.onhost.changes import HostChanges
from hopscope.lab.declare import parse
from hopscope.lab.running import RunningLab
from hopscope.model.vocab import DevName
from hopscope.plan import ops
from hopscope.plan.compile import compile_lab
from hoststate import look, settled
from labtexts import ON_HOST

pytestmark = [pytest.mark.kernel, pytest.mark.root]


def changed(op: ops.Op) -> tuple[ops.Op, ...] | None:
    """The operation, and one that is refused in its place or behind it; None: it cannot be."""
    match op:
        case ops.SetSysctl():
            return op, replace(op, path="net/ipv4/absent")
        case ops.AddRules():
            return op, replace(op, lines=("-A NOSUCH -j ACCEPT",), places=())
        case ops.AddBridge() | ops.AddVeth() | ops.AddAddress() | ops.AddRoute():
            return op, op  # it exists already
        case _:
            return None


def refusals() -> Iterator[tuple[str, list[str]]]:
    """What was refused, and how the host differed afterwards."""
    spec = parse(ON_HOST, "lab.yaml")
    before = look()
    for number, op in enumerate(compile_lab(spec, on_host=True).ops):
        if changed(op) is None:
            continue

        def with_a_mistake(*given: object, number: int = number, **named: object) -> ops.Plan:
            plan = compile_lab(*given, **named)  # type: ignore[arg-type]
            bad = changed(plan.ops[number]) or ()
            return replace(plan, ops=(*plan.ops[:number], *bad, *plan.ops[number + 1 :]))

        with patch("hopscope.lab.running.compile_lab", with_a_mistake):
            try:
                RunningLab.start(spec, ON_HOST, on_host=True).down()
                yield str(op), ["it was not refused"]
            except HopscopeError:
                yield str(op), settled(before, look)


@pytest.mark.timeout(120)
def test_each_refusal_is_rolled_back(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("--on-host takes root")
    quiet = "sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && ip link set lo up"
    paths = [str(Path(__file__).parents[1]), *sys.path]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", f'{quiet} && exec "$@"', "sh", sys.executable, __file__],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(paths), "HOPSCOPE_STATE": str(tmp_path / "s")},
    )
    assert done.returncode == 0, done.stderr
    found = dict(json.loads(done.stdout))
    assert len(found) >= 12
    assert {what: left for what, left in found.items() if left} == {}
    assert list((tmp_path / "s").iterdir()) == []


def test_rules_are_taken_back_as_they_were_given() -> None:
    """The comment before the target; no number when one is deleted; the table kept."""
    changes = HostChanges(lab="x", boot="", devices={DevName("d"): 1 << 20})
    given = [
        "-t nat -I POSTROUTING 1 -s 10.0.0.0/8 -j MASQUERADE",
        "-A FORWARD -p icmp -j LOG --log-prefix 'a b-'",
        "--append INPUT -p icmp",
    ]
    assert changes.own_rules("iptables", given) == [
        "-t nat -I POSTROUTING 1 -s 10.0.0.0/8 -m comment --comment hopscope:x -j MASQUERADE",
        "-A FORWARD -p icmp -m comment --comment hopscope:x -j LOG --log-prefix 'a b-'",
        "--append INPUT -p icmp -m comment --comment hopscope:x",
    ]
    mark = "-m comment --comment hopscope:x"
    assert [" ".join(rule) for rule in changes.rules] == [
        f"iptables -w 5 -t nat -D POSTROUTING -s 10.0.0.0/8 {mark} -j MASQUERADE",
        f"iptables -w 5 -D FORWARD -p icmp {mark} -j LOG --log-prefix a b-",
        f"iptables -w 5 -D INPUT -p icmp {mark}",
    ]
    assert HostChanges.load(changes.dump()) == changes


def test_a_record_tells_the_network_namespace() -> None:
    """By its cookie, as a number alone may be another's by then. An older record tells none."""
    if os.geteuid() != 0:
        pytest.skip("--on-host takes root")
    here = HostChanges.prepare(parse(ON_HOST, "lab.yaml"))
    here.check_here()
    number, cookie = here.netns.split()
    assert number == str(Path("/proc/self/ns/net").readlink())
    told = {**json.loads(here.dump()), "netns": f"{number} {int(cookie) + 1}"}
    later = HostChanges.load(json.dumps(told))
    for call in (later.check_here, later.undo):
        with pytest.raises(CannotError, match=f"network namespace {re.escape(number)};"):
            call()
    HostChanges.load(json.dumps({**told, "boot": "an earlier one"})).check_here()
    del told["netns"]
    HostChanges.load(json.dumps(told)).check_here()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list(refusals())))
