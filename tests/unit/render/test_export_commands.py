"""Scripts, topologies and pictures of one thing more: the command or the words that tell it."""

import json
import shlex
import subprocess

import pytest

from hopscope.render.exports import export
from hopscope.spec import parse

LAB = """
name: x
nodes:
  host: {{bridges: {{br0: {{{bridge}}}}}{host}}}
  n1: {{addresses: {{e: 10.0.0.1/24}}{n1}}}
  n2: {{addresses: {{e: [10.0.0.2/24, 'fd00::2/64']}}}}
links:
  - [{first}, {{end: 'host:p1@br0'{port}}}]
  - ends: [n2:e, host:p2@br0]
{story}
"""


def text_of(form: str, **parts: str) -> str:
    """The lab with these parts, in that form."""
    usual = {"bridge": "", "host": "", "n1": "", "port": "", "story": "", "first": "n1:e"}
    return export(parse(LAB.format(**(usual | parts)), "x"), form)


def script(**parts: str) -> list[str]:
    """The lines of its script that are commands."""
    lines = text_of("sh", **parts).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


RATE = "rate: {rate: 1mbit, burst: 4096, latency: 50ms}"
HTB = "rate: {rate: 1mbit, kind: htb, ceil: 2mbit, burst: 4096}"


@pytest.mark.parametrize(
    ("parts", "commands"),
    [
        (
            {"n1": ", devices: {m: {kind: macvlan, over: e, mode: vepa, mtu: 1400, queues: 2}}"},
            ["ip -n n1 link add link e name m address", "mtu 1400 numtxqueues 2 type macvlan"],
        ),
        (
            {
                "n1": ", devices: {v: {kind: vxlan, id: 42, local: 10.0.0.1, remote: 10.0.0.9,"
                " mac_learning: false, mtu: 1400, queues: 2}}"
            },
            [
                "ip -n n1 link add name v address",
                "mtu 1400 numtxqueues 2 type vxlan id 42 local 10.0.0.1 remote 10.0.0.9",
                "dstport 4789 nolearning",
            ],
        ),
        (
            {
                "n1": ", devices: {v: {kind: vxlan, id: 42, over: e,"
                " fdb: {'02:00:00:00:00:07': 10.0.0.9}}}"
            },
            ["dev e dstport", "bridge -n n1 fdb append 02:00:00:00:00:07 dev v dst 10.0.0.9"],
        ),
        (
            {"port": ", hairpin: true, flood: false, cost: 7"},
            ["bridge link set dev p1 hairpin on isolated off learning on flood off cost 7"],
        ),
        (
            {
                "bridge": "vlan_filtering: true, vlans: [1, 30]",
                "port": ", vlans: [{vid: 20, pvid: true, untagged: true}, 30]",
            },
            [
                "bridge vlan add dev p1 vid 20 pvid untagged",
                "bridge vlan add dev p1 vid 30",
                "bridge vlan del dev p1 vid 1",
                "bridge vlan add dev br0 vid 1 self",
                "bridge vlan add dev br0 vid 30 self",
            ],
        ),
        (
            {"bridge": "fdb: {'02:00:00:00:00:07': p1}"},
            ["bridge fdb replace 02:00:00:00:00:07 dev p1 master static"],
        ),
        (
            {"port": f", {RATE}"},
            ["tc qdisc add dev p1 root handle 1: tbf rate 1000000bit burst 4096 limit"],
        ),
        (
            {"port": f", {HTB}, delay: 20ms, jitter: 1ms, loss: 1%, corrupt: 0.5%"},
            [
                "tc qdisc add dev p1 root handle 1: netem limit 1000 delay 20000us 1000us",
                "loss 1% corrupt 0.5%",
                "tc qdisc add dev p1 parent 1:1 handle 10: htb default 1",
                "tc class add dev p1 parent 10: classid 10:1 htb rate 1000000bit ceil 2000000bit",
            ],
        ),
        ({"port": ", loss: 3%"}, ["netem limit 1000 loss 3%"]),
        ({"port": ", delay: 1s"}, ["netem limit 1000 delay 1e+06us"]),
        (
            {"n1": ", policy: [from 10.0.0.0/24 iif e fwmark 0x10/0xff lookup main]"},
            ["ip -n n1 rule add priority", "from 10.0.0.0/24 iif e fwmark 0x10/0xff lookup 254"],
        ),
        (
            {"n1": ", policy: ['to fd00::/64 fwmark 7 prohibit pref 5']"},
            ["ip -n n1 -6 rule add priority 5 to fd00::/64 fwmark 0x7 prohibit"],
        ),
        (
            {"n1": ", neighbours: {e: {10.0.0.2: '02:00:00:00:00:09'}}"},
            ["ip -n n1 neigh replace 10.0.0.2 lladdr 02:00:00:00:00:09 dev e nud permanent"],
        ),
        (
            {"n1": ", routes: [default metric 3 nexthop via 10.0.0.9 weight 2 nexthop dev e]"},
            [
                "ip -n n1 route add default metric 3 proto static",
                " nexthop via 10.0.0.9 weight 2 nexthop dev e\n",
            ],
        ),
        (
            {"n1": ", routes: [10.9.0.0/16 via 10.5.0.9 dev e onlink]"},
            ["ip -n n1 route add 10.9.0.0/16 via 10.5.0.9 dev e onlink proto static"],
        ),
        (
            {"n1": ", routes: [default nexthop via 10.5.0.9 dev e onlink nexthop dev e]"},
            ["proto static nexthop via 10.5.0.9 dev e onlink nexthop dev e\n"],
        ),
        ({"n1": ", nft: 'table ip t {}'"}, ["ip netns exec n1 nft -f - <<'NFT'", "NFT"]),
    ],
)
def test_the_commands_that_do_it(parts: dict[str, str], commands: list[str]) -> None:
    """In this order."""
    lines, at = "\n".join(script(**parts)), 0
    for command in commands:
        at = lines.find(command, at)
        assert at >= 0, f"{command!r} is not in\n{lines}"
        at += len(command)


def test_a_ruleset_ends_where_its_own_text_does_not() -> None:
    """The word that ends it for the shell is none of its lines."""
    lines = script(n1=', nft: "table ip t {}\\nNFT\\n# NFT_\\n"')
    begin = lines.index("ip netns exec n1 nft -f - <<'NFT_'")
    assert lines[begin + 1 : begin + 4] == ["table ip t {}", "NFT", "NFT_"]


def test_a_pair_without_a_bridge_comes_up_as_it_is_declared() -> None:
    """One that stays down is made, and nothing more."""
    text = "name: x\nnodes: {a: {down: [e]}, b: {down: [e]}}\nlinks: [[a:e, b:e]]\n"
    lines = export(parse(text, "x"), "sh").splitlines()
    assert not any(line.startswith("ip") and line.endswith(("e up", "e down")) for line in lines)
    assert sum("type veth" in line for line in lines) == 1


def test_a_script_for_the_machine_itself() -> None:
    """No namespace is made, so that none is titled; what has no device goes with a command."""
    text = "name: x\nnodes: {host: {bridges: {br0: {}}, routes: [blackhole 10.9.0.0/16],"
    text += " policy: [to 10.9.0.0/16 prohibit pref 7], addresses: {br0: 10.0.0.1/24}}}\n"
    with_gateway = text.replace("routes: [", "routes: [10.8.0.0/16 via 10.0.0.9, ")
    for lab, removed in ((text, 1), (with_gateway, 1)):
        lines = export(parse(lab, "x"), "sh").splitlines()
        assert "# The namespaces." not in lines
        assert "    ip rule del priority 7 to 10.9.0.0/16 prohibit 2>/dev/null || true" in lines
        gone = [line for line in lines if "route del" in line]
        assert len(gone) == removed
        assert "blackhole 10.9.0.0/16" in gone[0]


def test_a_story_does_not_say_the_same_twice() -> None:
    """Pings of which only the expectation differs are one line; an expectation is none."""
    story = "story:\n- ping: n1 -> n2\n- expect: {fdb: {br0: none}}\n".replace(
        "fdb: {br0: none}", "neighbours: {n1: {10.0.0.9: none}}"
    )
    story += "- ping: {from: n1, to: n2, expect: {reply: true}}\n- zero: [host]\n"
    lines = text_of("sh", story=story).splitlines()
    pings = [line for line in lines if "ping -c 1 10.0.0.2" in line]
    assert pings == ["#   ip netns exec n1 ping -c 1 10.0.0.2"]
    assert lines[-1] == "#   iptables -Z"


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        ("{tcp: 80}", "ready when TCP port 80 answers"),
        ("{log: listening}", "ready when it writes listening"),
        ("{command: [test, -e, /tmp/x y]}", "ready when test -e '/tmp/x y' succeeds"),
    ],
)
def test_what_hopscope_would_see_to_of_a_process(ready: str, words: str) -> None:
    run = f", run: [{{command: [serve], ready: {ready}, env: {{A: b c}}}}]"
    (line,) = (one for one in text_of("sh", n1=run).splitlines() if "serve of n1" in one)
    assert line.startswith("#   ip netns exec n1 env 'A=b c' serve  # serve of n1; restart: ")
    assert line.endswith(words)


def test_a_process_of_several_lines_is_the_same_command_once_it_is_no_comment() -> None:
    """Whatever ends a line elsewhere; and what is told of it stays a comment."""
    body = "echo one\n\nwhile :; do\n  sleep 1  # it's\rx\u2028y\ndone\n"
    run = [
        {"command": ["sh", "-c", body], "env": {"A": "x\ny"}, "ready": {"log": "a\nfalse"}},
        {"command": ["true"], "ready": {"command": ["sh", "-c", "true\nfalse"]}},
    ]
    made = text_of("sh", n1=f", run: {json.dumps(run)}")
    told = made.partition("to start, and to stop:\n#\n")[2].rstrip("\n").split("\n")
    assert all(line.startswith("#   ") for line in told)
    words = shlex.split("\n".join(line[4:] for line in told), comments=True)
    first = ["ip", "netns", "exec", "n1", "env", "A=x\ny", "sh", "-c", body]
    assert words == [*first, "ip", "netns", "exec", "n1", "true"]


def test_pictures_say_what_they_do_not_show() -> None:
    """How a device holds back what it sends, with its numbers."""
    port = f", {RATE}, delay: 20ms, jitter: 1ms, loss: 1%, reorder: 5%"
    lines = text_of("dot", port=port).splitlines()
    (line,) = (one for one in lines if "host/p1:" in one)
    assert line.endswith("tbf 1mbit, delay 20ms, jitter 1ms, loss 1%, reorder 5%")


def test_a_node_without_devices_is_drawn() -> None:
    """A cluster of Graphviz needs a node in it."""
    lab = parse("name: x\nnodes: {alone: {}}\n", "x")
    assert 'empty0 [label="", style=invis]' in export(lab, "dot")
    assert "%% no device" in export(lab, "mermaid")


def test_a_bridge_of_a_node_s_name_is_no_node_of_a_topology() -> None:
    """One name would be both's: the bridge is the host's, and the head says so."""
    text = "name: x\nnodes: {host: {bridges: {n1: {}}}, n1: {}}\nlinks: [[n1:e, 'host:p@n1']]\n"
    made = export(parse(text, "x"), "containerlab")
    assert "kind: bridge" not in made
    assert "#   ip link add name n1 type bridge" in made.splitlines()


def test_what_lies_over_an_end_of_a_container_s_link_is_made_behind_it() -> None:
    """The end is there only then; what is to stay down is taken down again."""
    text = """
name: x
nodes:
  host:
    devices: {m: {kind: macvlan, over: up0}, t: {kind: tap}}
    addresses: {up0: 10.0.0.9/24}
    down: [up0, t]
  n1: {down: [e2], nft: "table ip t { chain c { } }"}
links:
  - [n1:e, host:up0]
  - [n1:e2, host:up1]
"""
    made = export(parse(text, "x"), "containerlab")
    head = [line for line in made.splitlines() if line.startswith("#")]
    after = next(number for number, line in enumerate(head) if "When it has" in line)
    (macvlan,) = (number for number, line in enumerate(head) if "type macvlan" in line)
    assert macvlan > after
    assert head[-1] == "#   ip link set dev up0 down"
    assert "ip link set dev e2 down" in made
    assert "printf %s 'table ip t { chain c { } }' | nft -f -" in made.replace("'\"'\"'", "'")


@pytest.mark.parametrize("node", ["{}", "{sysctls: {net.ipv4.ip_forward: 1}}"])
def test_where_nothing_is_taken_down_the_script_is_one_still(node: str) -> None:
    """A shell refuses a function without a command; a comment is none."""
    lines = export(parse(f"name: x\nnodes: {{host: {node}}}\n", "x"), "sh").splitlines()
    assert lines[lines.index("down() {") + 1].strip() == ":"


def test_tools_are_found_where_a_users_path_does_not_lead() -> None:
    """Debian's has no sbin, where sysctl, tc and nft are."""
    stop, path, *_commands = script()
    assert stop == "set -eu"
    assert path.startswith("PATH=$PATH:/usr/sbin:/sbin ")


@pytest.mark.parametrize("mark", ["#   ", "# "])
def test_commands_can_be_taken_out_of_their_comment(mark: str) -> None:
    """By whichever part of it that one deletes; a script of nft as a whole."""
    script = "# it's the host's\ntable ip t {\n  chain c { }\n\n}\nNFT\n"
    indented = script.replace("\n", "\n      ")
    text = (
        f"name: x\nnodes:\n  host:\n    bridges: [br0]\n    nft: |\n      {indented}\n  a: {{}}\n"
    )
    made = export(parse(text, "x"), "containerlab")
    commands = made.partition("as root:\n")[2].partition("\nname:")[0]
    plain = "\n".join(line.removeprefix(mark) for line in commands.splitlines())
    program = f"ip() {{ :; }}; sysctl() {{ :; }}; nft() {{ cat; }}\n{plain}\n"
    done = subprocess.run(["sh", "-e"], input=program, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    got, wanted = (
        [bare for line in one.splitlines() if (bare := line.strip(" #"))]
        for one in (done.stdout, script)
    )
    assert got == wanted
