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
from hopscope.kernel.onhost import changes
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


RULES = """\
name: lab
nodes:
  host:
    iptables:
      - -A FORWARD -p icmp -j ACCEPT
      - -A FORWARD -p tcp -j NOSUCH
      - -t nat -A POSTROUTING -s 10.244.73.0/24 -j ACCEPT
    ip6tables: [-A FORWARD -j ACCEPT, -A FORWARD -p udp -j NOSUCH]
"""
OTHERS = """\
iptables -A FORWARD -s 192.0.2.0/24 -j DROP
iptables -P FORWARD DROP
iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
ip6tables -A INPUT -s 2001:db8::/32 -j DROP
"""


def refused_rules() -> Iterator[tuple[str, list[str]]]:
    """What is told of rules that are refused, and how those of others differ afterwards."""
    subprocess.run(["sh", "-ec", OTHERS], check=True)
    before = look()
    try:
        RunningLab.start(parse(RULES, "lab.yaml"), RULES, on_host=True).down()
        yield "nothing", []
    except HopscopeError as error:
        yield str(error), settled(before, look)


def found_by(cases: str, state: Path) -> dict[str, list[str]]:
    """What one of the functions above yields, in a network namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("--on-host takes root")
    quiet = "sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && ip link set lo up"
    inside = ["unshare", "--net", "sh", "-c", f'{quiet} && exec "$@"', "sh"]
    paths = [str(Path(__file__).parents[1]), *sys.path]
    done = subprocess.run(
        [*inside, sys.executable, __file__, cases],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(paths), "HOPSCOPE_STATE": str(state)},
    )
    assert done.returncode == 0, done.stderr
    assert list(state.iterdir()) == []
    return dict(json.loads(done.stdout))


@pytest.mark.timeout(120)
def test_each_refusal_is_rolled_back(tmp_path: Path) -> None:
    found = found_by("refusals", tmp_path / "s")
    assert len(found) >= 12
    assert {what: left for what, left in found.items() if left} == {}


def test_a_refused_rule_leaves_those_of_others(tmp_path: Path) -> None:
    """Of each tool one refused line is told: to learn of more, tables would have to be flushed."""
    ((told, left),) = found_by("refused_rules", tmp_path / "s").items()
    assert re.findall(r"lab.yaml:(\d+):\d+: iptables refuses", told) == ["6"]
    assert re.findall(r"lab.yaml:(\d+):\d+: ip6tables refuses", told) == ["8"]
    assert left == []


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


def test_what_cannot_be_restored_keeps_nothing_else_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sysctl that is refused comes before one that is not: both are tried, and the one told."""
    monkeypatch.setattr(changes, "_SYSCTLS", tmp_path)
    (tmp_path / "refused").mkdir()
    (tmp_path / "taken").write_text("1\n")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    sysctls = {"refused": "0", "gone": "0", "taken": "0"}
    with pytest.raises(IsADirectoryError):
        HostChanges(lab="no-such", boot=boot, devices={}, sysctls=sysctls).undo()
    assert (tmp_path / "taken").read_text() == "0"
    assert not (tmp_path / "gone").exists()


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
    cases = {each.__name__: each for each in (refusals, refused_rules)}
    sys.stdout.write(json.dumps(list(cases[sys.argv[1]]())))
