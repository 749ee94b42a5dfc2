"""--on-host: the node `host` is a real network namespace, and afterwards is as before.

Most tests have a namespace of their own play the host's part; those of the kernel's log
need the machine's own, since only there LOG rules print.
"""

import json
import os
import random
import shlex
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hopscope.kernel.waiting import wait_until
from hoststate import HostState, look, processes, settled

pytestmark = [pytest.mark.kernel, pytest.mark.root]

Hopscope = Any
Scratch = tuple[str, ...]
LAB = """
name: onhost
nodes:
  host:
    bridges: {hs0br: {}}
    sysctls: {net.bridge.bridge-nf-call-iptables: 0}
    iptables: ['-t mangle -A FORWARD -p icmp -j ACCEPT']
  hs1: {addresses: {hs1a: 10.244.71.2/24}}
  hs2: {addresses: {hs2a: 10.244.71.4/24}}
links:
  - [hs1:hs1a, host:hs1b@hs0br]
  - [hs2:hs2a, host:hs2b@hs0br]
story:
  - iptables:
      host:
        - -t nat -I PREROUTING -p icmp -j LOG --log-prefix "Nat-PREROUTING-1-"
        - -t filter -I FORWARD 1 -p icmp -j LOG --log-prefix "Filter-FORWARD-1-"
        - -t nat -I POSTROUTING -p icmp -j LOG --log-prefix "Nat-POSTROUTING-1-"
        - -t filter -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  - zero: host
  - ping: {from: hs1, to: hs2, expect: {reply: true, avoids: [host/filter/FORWARD], log: []}}
  - set: {host: {net.bridge.bridge-nf-call-iptables: 1}}
  - ping:
      from: hs1
      to: hs2
      expect:
        reply: true
        crosses: [host/nat/PREROUTING, host/filter/FORWARD, host/nat/POSTROUTING]
        log: [Nat-PREROUTING-1-, Filter-FORWARD-1-, Nat-POSTROUTING-1-, Filter-FORWARD-1-]
"""
WAITING = "  - ping: {from: hs1, to: 10.244.71.9, count: 20, timeout: 1, expect: {reply: false}}\n"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """hs1 ── hs0br ── hs2, whose bridge is the host's; the switch, and rules that log."""
    return written(tmp_path, LAB)


def written(folder: Path, text: str) -> Path:
    """A lab file of that text."""
    path = folder / f"lab{len(list(folder.glob('lab*')))}.yaml"
    path.write_text(text)
    return path


def run(hopscope: Hopscope, lab: Path, *more: str, inside: Scratch = ()) -> Any:
    """Perform a lab on a host, its folder beside it."""
    out = str(lab.with_suffix(".out"))
    return hopscope("run", str(lab), "-q", "--on-host", "--out", out, *more, before=inside)


def do(scratch: Scratch, command: str) -> str:
    """Run a command on the host of the test."""
    done = subprocess.run(
        [*scratch, *shlex.split(command)], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout


def same(hopscope: Hopscope, scratch: Scratch, before: HostState) -> None:
    """The host is as it was, and no record, lock or process is left."""
    assert settled(before, lambda: look(state=hopscope.state, inside=scratch)) == []
    assert list(hopscope.state.glob("*")) == []


def seen(hopscope: Hopscope, scratch: Scratch = ()) -> HostState:
    """How the host is now."""
    return look(state=hopscope.state, inside=scratch)


def test_a_run_proves_the_scenario_and_leaves_nothing(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    before = seen(hopscope, scratch)
    done = run(hopscope, lab, inside=scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    same(hopscope, scratch, before)
    assert before["nft"] == []
    lines = (lab.with_suffix(".out") / "iptables.log").read_text().splitlines()
    assert [line.split("IN=")[0] for line in lines] == [
        "Nat-PREROUTING-1-",
        "Filter-FORWARD-1-",
        "Nat-POSTROUTING-1-",
        "Filter-FORWARD-1-",
    ]


def test_what_stands_is_marked_and_mounts_nothing(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    """Each device has our alias, each rule our comment; the host's mounts are as before."""
    before = seen(hopscope, scratch)
    done = hopscope("up", str(lab), "--on-host", "--name", "marked", before=scratch)
    assert done.returncode == 0, done.stderr
    now = look(inside=scratch)
    assert now["mounts"] == before["mounts"]
    assert now["netns"] == before["netns"]
    new = [line for line in now["links"] if line not in before["links"]]
    assert len(new) == 3
    assert all("alias hopscope:marked" in line for line in new)
    rules = [line for line in now["iptables"] if line.startswith("-A")]
    assert len(rules) == 1
    assert "--comment hopscope:marked" in "".join(rules).replace('"', "")
    assert hopscope("down", "marked", before=scratch).returncode == 0
    same(hopscope, scratch, before)


FAILING = {
    "iptables refuses a rule": LAB.replace("-p icmp -j ACCEPT", "-p icmp -j NOSUCHTARGET"),
    "iptables refuses one in the story": LAB.replace("-I POSTROUTING -p icmp", "-I NOSUCHCHAIN"),
    "a sysctl refuses a value": LAB + "  - set: {host: {net.ipv4.ip_default_ttl: 0}}\n",
}


@pytest.mark.parametrize("text", FAILING.values(), ids=FAILING.keys())
def test_a_failure_in_the_middle_is_rolled_back(
    hopscope: Hopscope, scratch: Scratch, tmp_path: Path, text: str
) -> None:
    before = seen(hopscope, scratch)
    done = run(hopscope, written(tmp_path, text), inside=scratch)
    assert done.returncode in (2, 3), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    same(hopscope, scratch, before)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["sigint", "sigkill"])
def test_interrupted_at_random_moments(
    hopscope: Hopscope, scratch: Scratch, lab: Path, number: int
) -> None:
    """Also after kill -9 nothing stays: the guardian sees to that."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    before = seen(hopscope, scratch)
    for _ in range(8):
        process = started(hopscope, scratch, lab)
        record = hopscope.state / "onhost"
        wait_until(lambda: record.exists() or process.poll() is not None, "a record", within=20)  # noqa: B023
        moment = chance.uniform(0, 0.7)
        where = f"seed {seed}, {moment:.3f} s after the record"
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        _out, err = process.communicate(timeout=30)
        assert process.returncode in (0, 130, -9), f"{where}: {err}"
        left = settled(before, lambda: seen(hopscope, scratch))
        assert left == [], where
        for stale in hopscope.state.iterdir():  # killed between its record and its holder
            assert number == signal.SIGKILL, where
            assert hopscope("down", stale.name, before=scratch).returncode == 0, where
        assert list(hopscope.state.iterdir()) == [], where
    assert run(hopscope, lab, inside=scratch).returncode == 0
    same(hopscope, scratch, before)


def started(hopscope: Hopscope, scratch: Scratch, lab: Path) -> "subprocess.Popen[str]":
    """A run on the host that goes on in the background."""
    out = str(lab.with_suffix(".out"))
    argv = [*scratch, *hopscope.argv, "run", str(lab), "--on-host", "--out", out]
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=hopscope.environment(),
    )


def killed(hopscope: Hopscope, scratch: Scratch, lab: Path, *, name: str = "onhost") -> None:
    """A standing lab of which every process is killed at once, guardian included."""
    done = hopscope("up", str(lab), "--on-host", "--name", name, before=scratch)
    assert done.returncode == 0, done.stderr
    ours = processes(hopscope.state)
    assert len(ours) == 2
    holder = json.loads((hopscope.state / name / "lab.json").read_text())["pid"]
    for pid in sorted(map(int, ours), key=lambda pid: pid == holder):  # the guardian first
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes(hopscope.state), "their end", within=5)
    assert "hs0br" in do(scratch, "ip -br link")
    assert "hopscope:" in do(scratch, "iptables-save")


def test_down_restores_what_a_kill_of_everything_left(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    before = seen(hopscope, scratch)
    killed(hopscope, scratch, lab)
    done = hopscope("down", "onhost", before=scratch)
    assert done.returncode == 0, done.stderr
    assert "had ended already" in done.stdout
    same(hopscope, scratch, before)


def test_down_from_another_host_says_how_to_come_there(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    before = seen(hopscope, scratch)
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    done = hopscope("down", "onhost", before=("unshare", "--net"))
    assert done.returncode == 3, done.stdout
    assert "was made on another host than this" in done.stderr
    told = shlex.split(done.stderr.partition("mend it with: ")[2])
    assert told[-3:] == ["hopscope", "down", "onhost"]
    done = hopscope("down", "onhost", before=tuple(told[:-3]))
    assert done.returncode == 0, done.stderr
    same(hopscope, scratch, before)


def test_the_next_run_restores_it_whatever_its_name(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    before = seen(hopscope, scratch)
    killed(hopscope, scratch, lab, name="dead")
    done = run(hopscope, lab, inside=scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    same(hopscope, scratch, before)


def test_a_record_of_an_earlier_boot_changes_nothing(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    """What was to be restored went with the reboot; what is there now is someone else's."""
    killed(hopscope, scratch, lab)
    path = hopscope.state / "onhost" / "lab.json"
    fields = json.loads(path.read_text())
    fields["undo"] = json.dumps({**json.loads(fields["undo"]), "boot": "an earlier one"})
    path.write_text(json.dumps(fields))
    do(scratch, "sysctl -q net.bridge.bridge-nf-call-iptables=0")
    wait_until(lambda: "hopscope-log" not in do(scratch, "nft list ruleset"), "its end", within=5)
    rules = do(scratch, "nft list ruleset")
    assert hopscope("down", "onhost", before=scratch).returncode == 0
    assert do(scratch, "sysctl -n net.bridge.bridge-nf-call-iptables") == "0\n"
    assert do(scratch, "nft list ruleset") == rules
    assert "hs0br" in do(scratch, "ip -br link")
    assert list(hopscope.state.iterdir()) == []


def test_a_device_of_the_name_is_refused_and_left_alone(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    do(scratch, "ip link add hs0br type bridge")
    before = seen(hopscope, scratch)
    done = run(hopscope, lab, inside=scratch)
    assert done.returncode == 3
    assert "the device hs0br already exists on this host" in done.stderr
    same(hopscope, scratch, before)


def test_rules_of_others_stay_and_keep_their_counters(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    """Their chain, their rule in FORWARD, and its count, though the story zeroes ours."""
    do(scratch, "iptables -N THEIRS")
    do(scratch, "iptables -A FORWARD -s 192.0.2.9 -j THEIRS -c 5 300")
    do(scratch, "iptables -A FORWARD -s 192.0.2.9 -j THEIRS -c 7 900")
    before = seen(hopscope, scratch)
    done = run(hopscope, lab, inside=scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    same(hopscope, scratch, before)
    assert "[5:300]" in do(scratch, "iptables-save -c")
    assert any("packets 5 bytes 300" in line for line in before["nft"])


def test_half_a_table_is_half_afterwards(hopscope: Hopscope, scratch: Scratch, lab: Path) -> None:
    """Iptables adds the chains that a table lacks; those go again."""
    do(scratch, "nft add table ip filter")
    hook = "{ type filter hook input priority 0; policy accept; }"
    do(scratch, f"nft 'add chain ip filter INPUT {hook}'")
    before = seen(hopscope, scratch)
    done = run(hopscope, lab, inside=scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    same(hopscope, scratch, before)


def test_forwarding_of_each_device_is_restored(
    hopscope: Hopscope, scratch: Scratch, tmp_path: Path
) -> None:
    """Setting ip_forward sets it for every device; each gets its own value back."""
    do(scratch, "ip link add fx0 type veth peer name fx1")
    do(scratch, "sysctl -q net.ipv4.ip_forward=0 net.ipv4.conf.fx0.forwarding=1")
    before = seen(hopscope, scratch)
    text = LAB.replace("sysctls: {", "sysctls: {net.ipv4.ip_forward: 1, ")
    done = run(hopscope, written(tmp_path, text), inside=scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    same(hopscope, scratch, before)
    assert do(scratch, "sysctl -n net.ipv4.conf.fx0.forwarding") == "1\n"
    assert do(scratch, "sysctl -n net.ipv4.conf.fx1.forwarding") == "0\n"


def test_one_lab_at_a_time(hopscope: Hopscope, scratch: Scratch, lab: Path, tmp_path: Path) -> None:
    """Also with records in another folder."""
    before = seen(hopscope, scratch)
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    elsewhere = replace(hopscope, state=tmp_path / "elsewhere")
    for one in (hopscope, elsewhere):
        second = one("up", str(lab), "--on-host", "--name", "second", before=scratch)
        assert second.returncode == 2
        assert "another lab stands on this host" in second.stderr
    beside = hopscope("up", "bridge", "--name", "beside", before=scratch)  # in a sandbox it may
    assert beside.returncode == 0
    assert hopscope("down", "beside").returncode == 0
    assert hopscope("down", "onhost", before=scratch).returncode == 0
    same(hopscope, scratch, before)
    assert run(hopscope, lab, inside=scratch).returncode == 0


def test_killing_the_holder_restores_the_host(
    hopscope: Hopscope, scratch: Scratch, lab: Path
) -> None:
    before = seen(hopscope, scratch)
    assert hopscope("up", str(lab), "--on-host", before=scratch).returncode == 0
    record = json.loads((hopscope.state / "onhost" / "lab.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    assert settled(before, lambda: seen(hopscope, scratch)) == []
    same(hopscope, scratch, before)


REFUSED = {
    "no default route": ("routes: [default via 10.244.71.2]", "default route"),
    "no foreign device": ("sysctls: {net.ipv4.conf.lo.rp_filter: 1}", "lo is not the lab's"),
    "no default of devices": (
        "sysctls: {net.ipv4.conf.default.rp_filter: 2}",
        "devices that are not the lab's take it over",
    ),
    "no default of neighbours": (
        "sysctls: {net.ipv4.neigh.default.ucast_solicit: 2}",
        "devices that are not the lab's take it over",
    ),
    "no IPv6 off": ("sysctls: {net.ipv6.conf.all.disable_ipv6: 1}", "every device"),
    "no flush": ("iptables: [-F]", "only -A and -I are allowed"),
    "no policy": ("iptables: [-P FORWARD DROP]", "only -A and -I are allowed"),
    "no nft": ("nft: 'table ip x {}'", "not an nft script"),
    "no policy rules": ("policy: [from 10.244.71.0/24 prohibit]", "gets no policy rules"),
    "no route of no device": ("routes: [blackhole 10.97.0.0/16]", "no blackhole route to 10.97"),
    "no next hop of others": (
        "routes: [{to: 10.97.0.0/16, nexthops: [dev lo]}]",
        "the route to 10.97.0.0/16 must lead through the lab's devices",
    ),
    "no overlap": ("addresses: {hs0br: 198.51.100.9/24}", "has a route already"),
}


@pytest.mark.parametrize(("line", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_could_not_be_undone_is_refused(
    hopscope: Hopscope, scratch: Scratch, tmp_path: Path, line: str, said: str
) -> None:
    do(scratch, "ip link add fx0 type veth peer name fx1")
    do(scratch, "ip address add 198.51.100.1/25 dev fx0")
    do(scratch, "ip link set fx1 up")
    do(scratch, "ip link set fx0 up")
    wait_until(lambda: do(scratch, "ip -br link").count(" UP ") == 2, "their carriers", within=10)
    before = seen(hopscope, scratch)
    host = f"  host: {{bridges: {{hs0br: {{}}}}, {line}}}\n"
    if "default" in line:
        host = host.replace("routes:", "addresses: {hs0br: 10.244.71.1/24}, routes:")
    text = LAB[: LAB.index("  host:")] + host + LAB[LAB.index("  hs1: ") : LAB.index("story:")]
    done = run(hopscope, written(tmp_path, text), inside=scratch)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    same(hopscope, scratch, before)


def test_it_takes_root_and_a_host(
    hopscope: Hopscope, ordinary: Hopscope, scratch: Scratch, tmp_path: Path
) -> None:
    done = ordinary("up", "bridge", "--on-host")
    assert done.returncode == 3
    assert "takes root" in done.stderr
    text = "name: x\nnodes:\n  a: {addresses: {p: 10.9.9.1/24}}\n  b: {}\nlinks: [[a:p, b:q]]\n"
    done = run(hopscope, written(tmp_path, text), inside=scratch)
    assert done.returncode == 2
    assert "needs a node named 'host'" in done.stderr


def test_only_the_labs_devices_are_traced(
    hopscope: Hopscope, scratch: Scratch, tmp_path: Path
) -> None:
    """Every rule of ours that switches tracing on names one of our devices, and they vanish."""
    before = seen(hopscope, scratch)
    lab = written(tmp_path, LAB[: LAB.index("story:")] + "story:\n" + WAITING)
    process = started(hopscope, scratch, lab)
    rules: list[str] = []

    def observed() -> bool:
        assert process.poll() is None
        listing = do(scratch, "nft list ruleset")
        rules[:] = [line.strip() for line in listing.splitlines() if "meta nftrace set 1" in line]
        return "hopscope-log" in listing and any("10.244.71.9" in rule for rule in rules)

    wait_until(observed, "the observers", within=20)
    devices = {dev: f'"{dev}"' for dev in ("hs0br", "hs1b", "hs2b")}
    assert len(rules) > 6
    for rule in rules:
        match, *_rest = rule.split()
        assert match in ("iif", "oif"), rule
        assert any(f"{match} {name}" in rule for name in devices.values()), rule
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    same(hopscope, scratch, before)
