"""hopscope shell: the textbook's own commands, typed at a terminal as the book prints them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel

StartTerminal = Callable[[Sequence[str], Mapping[str, str]], Any]
PROMPT = r"^\((\w+):(\w+)\) [^\n]*[#$] $"


def home(folder: Path) -> dict[str, str]:
    """A user without habits, and a terminal that is not told of pasting."""
    (folder / ".inputrc").write_text("set enable-bracketed-paste off\n")
    folder.chmod(0o755)
    return {"HOME": str(folder), "SHELL": "/bin/bash"}


@pytest.fixture(params=["root", "ordinary"])
def who(request: pytest.FixtureRequest) -> tuple[Any, str]:
    """The command of root, then of an ordinary user, and a standing bridge lab of each."""
    if request.param == "root":
        return request.getfixturevalue("hopscope"), request.getfixturevalue("bridge")
    return request.getfixturevalue("ordinary"), request.getfixturevalue("ordinary_bridge")


@pytest.fixture(scope="module")
def ordinary_bridge(ordinary: Any) -> str:
    """The built-in lab of an ordinary user."""
    name: str = ordinary.up("bridge", "standing")
    return name


@pytest.fixture
def shell(
    who: tuple[Any, str], terminal: StartTerminal, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A shell in the lab's host, at its first prompt; left with exit status 0."""
    hopscope, lab = who
    folder = Path(f"/tmp/{tmp_path_factory.mktemp('home').name}-{id(who)}")
    folder.mkdir()
    shown = terminal(
        [*hopscope.argv, "shell", lab],
        hopscope.environment({**home(folder), "PATH": "/usr/local/bin:/usr/bin:/bin"}),
    )
    shown.banner = shown.expect(PROMPT)
    yield shown
    shown.type("true; exit\r")
    code = shown.wait()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert code == 0


def test_it_says_where_one_is(shell: Any) -> None:
    """The banner names the other nodes and what is there; the prompt names lab and node."""
    assert "lab standing, in node host; others: ns1, ns2" in shell.banner
    assert "tcpdump -nn -i br0" in shell.banner
    assert re.findall(PROMPT, shell.banner, re.MULTILINE) == [("standing", "host")]


def test_ping_and_the_tables_it_fills(shell: Any) -> None:
    """Nodes are reached by name; then each side has learnt the other's MAC."""
    ping = shell.command("ip netns exec ns1 ping -c1 10.244.1.4", prompt=PROMPT)
    assert "1 packets transmitted, 1 received, 0% packet loss" in ping
    link = shell.command("ip netns exec ns2 cat /sys/class/net/veth2a/address", prompt=PROMPT)
    (mac,) = re.findall(r"^([0-9a-f:]{17})", link, re.MULTILINE)
    table = shell.command("ip netns exec ns1 arp -n", prompt=PROMPT)
    assert re.search(rf"^10\.244\.1\.4 +ether +{mac} +C +veth1a", table, re.MULTILINE)


def test_the_nodes_are_listed(shell: Any) -> None:
    listed = shell.command("ip netns list", prompt=PROMPT)
    assert {line.split()[0] for line in listed.splitlines()[:-1]} == {"host", "ns1", "ns2"}


def test_brctl_shows_the_bridge_and_its_ports(shell: Any) -> None:
    shown = shell.command("brctl show", prompt=PROMPT)
    assert re.search(r"^br0\s+8000\.[0-9a-f]{12}\s+no\s+veth[12]b\s+veth[12]b", shown, re.MULTILINE)


def test_iptables_lists_and_takes_rules(shell: Any) -> None:
    """The textbook's rule and listing, line numbers included."""
    rule = '-p icmp -j LOG --log-prefix "Nat-PREROUTING-1-"'
    assert shell.command(f"iptables -t nat -I PREROUTING {rule}", prompt=PROMPT).count("\n") == 0
    shown = shell.command("iptables -t nat -nvL PREROUTING --line-numbers", prompt=PROMPT)
    assert "Chain PREROUTING (policy ACCEPT" in shown
    assert re.search(r'^1 +\d+ +\d+ LOG +.*prefix "Nat-PREROUTING-1-"', shown, re.MULTILINE)
    shell.command("iptables -t nat -D PREROUTING 1", prompt=PROMPT)


def test_sysctl_reads_and_sets_the_switch(shell: Any) -> None:
    key = "net.bridge.bridge-nf-call-iptables"
    assert f"{key} = 1" in shell.command(f"sysctl -w {key}=1", prompt=PROMPT)
    assert f"{key} = 0" in shell.command(f"sysctl -w {key}=0", prompt=PROMPT)


def test_tcpdump_sees_the_frames_on_the_bridge(who: tuple[Any, str], shell: Any) -> None:
    """Until Ctrl-C; also where its own user does not exist."""
    hopscope, lab = who
    shell.type("tcpdump -nn -i br0 icmp\r")
    shell.expect("listening on br0")
    assert hopscope("exec", lab, "ns1", "ping", "-c1", "10.244.1.4").returncode == 0
    shell.expect(r"IP 10\.244\.1\.2 > 10\.244\.1\.4: ICMP echo request")
    shell.expect(r"IP 10\.244\.1\.4 > 10\.244\.1\.2: ICMP echo reply")
    shell.type("\x03")
    shell.expect("2 packets captured")
    shell.expect(PROMPT)


def test_tcpdump_inside_a_node(shell: Any) -> None:
    """The command that enters a node finds the same tcpdump."""
    shell.type("ip netns exec ns2 tcpdump -nn -i veth2a -c1 icmp & sleep 0.1\r")
    shell.expect("listening on veth2a")
    shell.command("ip netns exec ns1 ping -c1 10.244.1.4", prompt="received, .*")
    shell.expect("1 packet captured")


def test_another_node_and_its_own_exit_status(
    hopscope: Any, bridge: str, terminal: StartTerminal, tmp_path: Path
) -> None:
    shown = terminal([*hopscope.argv, "shell", bridge, "ns2"], hopscope.environment(home(tmp_path)))
    shown.expect(rf"\({bridge}:ns2\) .*# $")
    assert "veth2a" in shown.command("ip -br link", prompt=PROMPT)
    shown.type("exit 4\r")
    assert shown.wait() == 4


def test_the_users_own_settings_are_kept(
    hopscope: Any, bridge: str, terminal: StartTerminal, tmp_path: Path
) -> None:
    """Their bashrc is read; their prompt follows ours."""
    environment = home(tmp_path)
    (tmp_path / ".bashrc").write_text("PS1='mine> '\nalias hello='echo hello there'\n")
    shown = terminal([*hopscope.argv, "shell", bridge], hopscope.environment(environment))
    shown.expect(rf"\({bridge}:host\) mine> $")
    assert "hello there" in shown.command("hello", prompt="mine> $")


def test_another_shell(hopscope: Any, bridge: str, terminal: StartTerminal, tmp_path: Path) -> None:
    """What is not bash is told its prompt in the environment."""
    environment = {**home(tmp_path), "SHELL": "/bin/dash"}
    shown = terminal([*hopscope.argv, "shell", bridge], hopscope.environment(environment))
    shown.expect(rf"\({bridge}:host\) \$ $")
    assert "dash" in shown.command("ps -o comm= -p $$", prompt=r"\$ $")


def test_a_script_on_standard_input(hopscope: Any, bridge: str) -> None:
    """Without a terminal there is neither banner nor prompt."""
    done = hopscope("shell", bridge, "ns1", stdin="echo $HOPSCOPE_NODE; exit 3\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "ns1\n", "")


def test_an_unknown_node(hopscope: Any, bridge: str) -> None:
    done = hopscope("shell", bridge, "hsot")
    assert (done.returncode, "did you mean 'host'?" in done.stderr) == (2, True)
