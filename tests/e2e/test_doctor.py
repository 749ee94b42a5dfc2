"""hopscope doctor: on this machine, and on ones that lack something."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from hopscope.kernel.tools import tool_path

pytestmark = pytest.mark.kernel

StartTerminal = Callable[[Sequence[str], Mapping[str, str]], Any]
OWN_NETWORK = ("unshare", "--user", "--map-root-user", "--net")
# as an ordinary user: setfcap, which all have, is asked of a user 0 who makes a namespace
NO_POWER = ("setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all")


def examined(done: "subprocess.CompletedProcess[str]") -> dict[str, dict[str, Any]]:
    """The abilities of a --json document, by name."""
    document = json.loads(done.stdout)
    return {ability["what"]: ability for ability in document["abilities"]}


def within(script: str, *more: str) -> list[str]:
    """A command that runs another in a user namespace, after a shell script there."""
    return ["unshare", "--user", "--map-root-user", *more, "sh", "-ec", f'{script}; exec "$@"', "-"]


def test_the_exit_status_says_whether_the_reference_lab_can_run(hopscope: Any) -> None:
    """And whatever is not there comes with a command that mends it."""
    done = hopscope("doctor", "--json")
    document = json.loads(done.stdout)
    missing = [a for a in document["abilities"] if a["needed"] and a["state"] == "missing"]
    assert document["can_run"] is not bool(missing)
    assert done.returncode == (3 if missing else 0)
    assert all((a["state"] == "ok") == (a["mend"] == "") for a in document["abilities"])
    assert all(a["purpose"] and a["found"] for a in document["abilities"])


@pytest.mark.parametrize(
    ("what", "made"),
    [
        ("bridge", "ip link add x0 type bridge"),
        ("veth", "ip link add x0 type veth peer name x1"),
        ("VLAN (802.1Q)", "ip link add link lo name x0 type vlan id 5"),
        ("vxlan", "ip link add x0 type vxlan id 5 dstport 4789"),
        ("ifb", "ip link add x0 type ifb"),
        ("netem", "tc qdisc add dev lo root netem delay 1ms"),
        ("tbf", "tc qdisc add dev lo root tbf rate 1mbit burst 10k latency 1ms"),
        ("htb", "tc qdisc add dev lo root htb"),
        ("tun/tap", "ip tuntap add x0 mode tap"),
    ],
)
def test_it_agrees_with_the_tools(hopscope: Any, what: str, made: str) -> None:
    """What ip and tc can make in a namespace of their own is ok, and nothing else."""
    tried = subprocess.run(
        [*OWN_NETWORK, *made.split()],
        capture_output=True,
        check=False,
        env={**os.environ, "PATH": tool_path()},
    )
    found = examined(hopscope("doctor", "--json"))[what]["state"]
    assert (found == "ok") == (tried.returncode == 0), tried.stderr


def test_it_changes_nothing(hopscope: Any) -> None:
    """Devices, queues, rules and sysctls of the namespace it runs in are as before."""
    look = "{ ip -s -d link; tc qdisc; nft list ruleset; grep -r . /proc/sys/net/bridge; }"
    script = f'{look} > "$0/before"; "$@" >/dev/null; {look} > "$0/after"'
    folder = hopscope.state.parent
    before = [*OWN_NETWORK, "sh", "-c", script, str(folder)]
    done = hopscope("doctor", before=before, env={"PATH": tool_path()})
    assert done.stderr == ""
    was = (folder / "before").read_text()
    assert "lo:" in was
    assert was == (folder / "after").read_text()


def test_text_fits_eighty_columns_and_says_each_state_in_words(hopscope: Any) -> None:
    """Without escape codes when it is no terminal."""
    done = hopscope("doctor", env={"COLUMNS": "80"})
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout
    for name, ability in examined(hopscope("doctor", "--json")).items():
        assert any(re.match(rf"{ability['state']} +{re.escape(name)} ", one) for one in lines), name


@pytest.mark.parametrize(("more", "colours"), [({}, 1), ({"NO_COLOR": "1"}, 0)])
def test_no_color_is_respected(
    hopscope: Any, terminal: StartTerminal, more: dict[str, str], colours: int
) -> None:
    shown = terminal([*hopscope.argv, "doctor"], hopscope.environment(more))
    told = shown.expect("hopscope run bridge|see missing")
    assert (re.search(r"\x1b\[3[0-9]m", told) is not None) == bool(colours)


def test_user_namespaces_switched_off(hopscope: Any) -> None:
    """An ordinary user is told the knob; the machine of this test is a user namespace."""
    off = within("echo 0 > /proc/sys/user/max_user_namespaces")
    done = hopscope("doctor", "--json", before=[*off, *NO_POWER])
    found = examined(done)["user namespaces"]
    assert done.returncode == 3
    assert (found["state"], found["needed"]) == ("missing", True)
    assert found["found"] == "user.max_user_namespaces is 0"
    assert "sysctl -w user.max_user_namespaces=" in found["mend"]
    assert examined(done)["bridge"]["mend"] == "mend what is above"


def test_a_limit_of_network_namespaces(hopscope: Any) -> None:
    limited = within("echo 0 > /proc/sys/user/max_net_namespaces")
    done = hopscope("doctor", "--json", before=limited)
    found = examined(done)["namespaces"]
    assert (done.returncode, found["state"]) == (3, "missing")
    assert found["found"] == "net: user.max_net_namespaces is 0"


def test_tools_that_are_not_installed(hopscope: Any) -> None:
    """The needed ones make it fail, the others do not; each names its package."""
    bare = within("mount -t tmpfs none /usr/sbin; mount -t tmpfs none /usr/local/sbin", "--mount")
    done = hopscope("doctor", "--json", before=bare)
    found = examined(done)
    assert done.returncode == 3
    assert {found[tool]["state"] for tool in ("iptables", "nft", "brctl", "arp")} == {"missing"}
    assert "nftables" in found["nft"]["mend"]
    assert "bridge-utils" in found["brctl"]["mend"]
    assert "the reference lab cannot run here" in hopscope("doctor", before=bare).stdout


def test_sysctls_that_cannot_be_set(hopscope: Any) -> None:
    """As in a container, where /proc/sys is read-only and no new /proc may be mounted."""
    confined = within("mount -o bind,ro /proc/sys /proc/sys", "--mount")
    done = hopscope("doctor", "--json", before=[*confined, *NO_POWER])
    found = examined(done)["own /proc, /sys, /run"]
    assert (done.returncode, found["state"]) == (3, "missing")
    assert "/proc/sys (writing): Read-only file system" in found["found"]
    assert "--privileged" in found["mend"]


def test_silent_nat_rules_of_a_running_lab(hopscope: Any, fresh: str) -> None:
    """The trap is told with a command, and that command mends it."""
    log = ["-t", "nat", "-A", "PREROUTING", "-p", "icmp", "-j", "LOG", "--log-prefix", "x"]
    assert hopscope("exec", fresh, "host", "iptables", *log).returncode == 0
    (checked,) = json.loads(hopscope("doctor", "--json").stdout)["labs"]
    assert (checked["lab"], checked["silent"]) == (fresh, ["host"])
    told = " ".join(hopscope("doctor", env={"COLUMNS": "500"}).stdout.split())
    mend = re.search(rf"lab {fresh}: silent in host; mend it with: hopscope (.*?-j ACCEPT)", told)
    assert mend
    assert hopscope(*mend[1].split()).returncode == 0
    (checked,) = json.loads(hopscope("doctor", "--json").stdout)["labs"]
    assert checked["silent"] == []


def test_without_root(ordinary: Any) -> None:
    """User namespaces are needed then, and root is not."""
    done = ordinary("doctor", "--json")
    found = examined(done)
    assert done.returncode == 0, done.stderr
    assert (found["user namespaces"]["needed"], found["user namespaces"]["state"]) == (True, "ok")
    assert found["root"]["state"] == "limited"
    assert ordinary.up("bridge", "mine") == "mine"
