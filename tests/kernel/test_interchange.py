"""Labs that leave as a script and come back: each way, the kernel holds the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from hopscope.errors import UsageError
from hopscope.kernel.read.snapshot import read
from hopscope.lab.declare import built_in, parse
from hopscope.lab.imports import import_lab
from hopscope.lab.imports.workshop import HERE, opened
from hopscope.lab.running import RunningLab
from hopscope.model.lab import LabSpec
from hopscope.model.snapshot import Snapshot
from hopscope.plan.names import HOME
from hopscope.render.exports import export
from hopscope.render.exports.yamltext import dumped
from permitted import TAPS
from randomlabs import random_labs
from samestate import comparable, renamed, settled

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

Same = dict[str, dict[str, object]]


def built(lab: LabSpec) -> Same:
    """What hopscope itself makes of the lab."""
    with RunningLab.start(lab, "") as running:
        return comparable(settled(running.snapshot))


def typed(lab: LabSpec, *arguments: str) -> Snapshot:
    """What the exported script makes of the sandbox in which it is run."""
    with opened(home=True) as workshop:
        workshop.put("/run/lab.sh", export(lab, "sh"))
        done = workshop.sandbox.run(HERE, ["sh", "/run/lab.sh", *arguments])
        assert done.code == 0, done.stderr.decode()
        workshop.sandbox.adopt()
        nodes = [HERE, *(node.name for node in lab.nodes if node.name != HOME)]
        return renamed(settled(lambda: read(workshop.sandbox, nodes)), HERE, HOME)


def by_hand(lab: LabSpec) -> Same:
    """The nodes of the lab as its script makes them."""
    found = comparable(typed(lab))
    return {node.name: found[node.name] for node in lab.nodes}


@pytest.mark.parametrize("name", built_in())
def test_the_script_of_a_built_in_lab_builds_the_same(name: str) -> None:
    """Links, addresses, routes, rules, sysctls: as hopscope up makes them."""
    lab = parse(built_in()[name], name)
    assert by_hand(lab) == built(lab)


@pytest.mark.parametrize("name", built_in())
def test_a_built_in_lab_comes_back_from_its_script(name: str) -> None:
    """Its import builds the same, and nothing needs attention."""
    lab = parse(built_in()[name], name)
    text, notes = import_lab(export(lab, "sh"), f"{name}.sh")
    assert not notes
    assert built(parse(text, name)) == built(lab)


@pytest.mark.timeout(300)  # twelve labs, each built five times: a minute on a busy machine
@given(random_labs())
@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.generate),  # to shrink takes as long as to build, each time
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_random_labs_leave_and_come_back(tree: dict[str, Any]) -> None:
    """The script builds the same, and so does what is imported from the script."""
    text = dumped(tree)
    lab = parse(text, "random.yaml")
    wanted = built(lab)
    assert by_hand(lab) == wanted
    back, _notes = import_lab(export(lab, "sh"), "random.sh")
    again = built(parse(back, "back.yaml"))
    assert {name: again[name] for name in wanted} == wanted


EVERYTHING = """
name: every
nodes:
  host:
    bridges: {br0: {ageing: 20}}
    devices:
      t0: {kind: tap, bridge: br0}
      x0: {kind: vxlan, id: 5, remote: 10.0.0.9}
      m0: {kind: macvlan, over: "web:eth0"}
    addresses: {br0: 10.0.0.1/24}
    routes: [blackhole 10.66.0.0/16, default via 10.0.0.2 table 100]
    policy: [from 10.0.0.0/8 lookup 100]
  web:
    addresses: {eth0: 10.0.0.2/24}
    run: [{command: [sleep, "1000"], restart: always, env: {A: b c}}]
links:
  - {ends: [web:eth0, {end: host:p0@br0, isolated: true}], rate: 10mbit}
"""


NAMES = """
name: names
nodes:
  host: {bridges: {type: {}}, devices: {dev: {kind: vxlan, id: 5, remote: 10.0.0.9, bridge: type}}}
  web:
    addresses: {up: 10.0.0.2/24, address: 10.0.1.2/24}
    routes: [10.9.0.0/16 dev up]
    down: [master]
    devices: {mtu: {kind: macvlan, over: up}, link: {kind: tap}, netns: {kind: tap}}
    bridges: {vlan: {}}
links:
  - {ends: [web:up, {end: host:down@type, isolated: true}], rate: 10mbit}
  - {ends: [web:master, {end: host:name}], mtu: 1400}
  - {ends: [web:address, web:peer@vlan]}
"""


@TAPS
def test_a_device_may_have_a_name_that_is_a_word_of_ip() -> None:
    """The script names each as one; what it builds it also takes down."""
    lab = parse(NAMES, "names.yaml")
    assert by_hand(lab) == built(lab)


@TAPS
def test_down_takes_down_what_is_no_link() -> None:
    """Devices of host, its policy rules, and routes that lie over no device."""
    lab = parse(EVERYTHING, "every.yaml")
    with opened(home=True) as workshop:
        before = workshop.facts([HERE])[0]
        workshop.put("/run/lab.sh", export(lab, "sh"))
        for arguments in ([], ["down"]):
            done = workshop.sandbox.run(HERE, ["sh", "/run/lab.sh", *arguments])
            assert (done.code, done.stderr) == (0, b"")
        after = workshop.facts([HERE])[0]
    assert {link.name for link in after.state.links} == {link.name for link in before.state.links}
    assert after.state.policy_rules == before.state.policy_rules
    assert not [route for route in after.state.routes if route.dev != "lo"]  # which stays up


def test_down_takes_everything_down() -> None:
    """What the script made of the namespace it ran in is gone, but for what it says stays."""
    lab = parse(
        built_in()["firewall-drop"].replace("DROP\n", "DROP\n      - -A INPUT -j DROP\n"), ""
    )
    with opened(home=True) as workshop:
        workshop.put("/run/lab.sh", export(lab, "sh"))
        for arguments in ([], ["down"], ["down"], []):
            done = workshop.sandbox.run(HERE, ["sh", "/run/lab.sh", *arguments])
            assert (done.code, done.stderr) == (0, b"")
            here = read(workshop.sandbox, [HERE]).nodes[0]
            devices = {link.name for link in here.links if link.kind in ("veth", "bridge")}
            rules = [rule for chain in here.chains for rule in chain.rules]
            assert bool(devices) == bool(rules) == (not arguments)


def test_the_machines_own_namespace_keeps_its_ipv6() -> None:
    """Where something is up already, the script sets no sysctl that the lab does not ask for."""
    lab = parse(built_in()["bridge"], "")
    with opened(home=True) as workshop:
        workshop.put("/run/lab.sh", export(lab, "sh"))
        script = "ip link set lo up; sh /run/lab.sh; cat /proc/sys/net/ipv6/conf/*/disable_ipv6"
        done = workshop.sandbox.run(HERE, ["sh", "-c", script])
        assert done.code == 0
        assert b"1" not in done.stdout.split()[:2]  # all, which a glob puts first


def imported(script: str, **options: Any) -> tuple[LabSpec, list[str]]:
    """The lab of a script, and the notes."""
    text, notes = import_lab(script, "made.sh", **options)
    return parse(text, "made.yaml"), [str(note) for note in notes]


PAIR = """#!/bin/sh
sudo ip netns add left
sudo ip netns add right
ip link add eth0 netns left type veth peer name eth0 netns right
ip -n left addr add 10.0.0.1/24 dev eth0
ip -n left link set eth0 up
ip -n right link set eth0 up
"""


def test_a_script_that_a_person_wrote() -> None:
    """MAC addresses that the kernel chose are not told, and a bare host is left out."""
    lab, notes = imported(PAIR)
    assert [node.name for node in lab.nodes] == ["left", "right"]
    assert [str(end.ref) for end in (lab.links[0].a, lab.links[0].b)] == ["left/eth0", "right/eth0"]
    assert lab.links[0].a.mac is lab.links[0].b.mac is None
    assert not lab.node("right").lo
    assert notes == []


def test_mac_addresses_that_matter_are_told() -> None:
    """One that was chosen, and one that a neighbour entry names."""
    more = """
ip -n left link set eth0 address 02:12:34:56:78:9a
mac=$(ip netns exec right cat /sys/class/net/eth0/address)
ip -n left neigh add 10.0.0.2 lladdr $mac dev eth0 nud permanent
"""
    lab, _notes = imported(PAIR + more)
    assert lab.links[0].a.mac == "02:12:34:56:78:9a"
    assert lab.links[0].b.mac == lab.node("left").neighbours[0].mac


@pytest.mark.parametrize(
    "inside",
    [
        "chain input { type filter hook input priority 0; ip saddr 192.0.2.1 drop; }",
        "set bad { type ipv4_addr; elements = { 192.0.2.1 }; }",
    ],
)
def test_a_table_of_nft_may_be_called_as_one_of_iptables(inside: str) -> None:
    """Of the first iptables-save says that it is none of iptables', and of the second nothing."""
    script = f"ip netns exec left nft 'table ip filter {{\n{inside}\n}}'"
    lab, notes = imported(f"{PAIR}\n{script}\n")
    assert notes == []
    assert lab.node("left").iptables == ()
    nft = lab.node("left").nft
    assert nft is not None
    assert "192.0.2.1" in nft.text


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("ip -n left rule add from 10.0.0.0/8 table 7", "policy rule"),
        ("ip -n left route add multicast 239.0.0.0/8 dev eth0", "it is of type multicast"),
        ("ip -n left link set eth0 mtu 1300", "differ in MTU"),
        ("ip link add x type veth peer name y; unshare -n sh -c 'ip link set y netns 1'", ""),
        ("ip netns add 'o d d'", "is called o-d-d"),
        ("ip -n left link add m0 link eth0 type macvlan mode source", "of mode source"),
        pytest.param("ip -n left tuntap add t0 mode tun", "a device of kind tun", marks=TAPS),
        ("ip link show nothing || true", "made.sh:9: ip link show nothing:"),
    ],
)
def test_what_a_lab_cannot_hold_is_told(more: str, told: str) -> None:
    """One note each; the rest is imported all the same."""
    lab, notes = imported(f"{PAIR}\n{more}\n")
    assert lab.node("left").addresses
    assert told in "\n".join(notes)


def test_what_a_lab_cannot_say_of_a_thing_is_told() -> None:
    """Each with its name, by building the lab and comparing: nothing is lost in silence."""
    more = """
ip link add br0 type bridge forward_delay 0 mcast_snooping 0
ip -n left link set eth0 txqueuelen 55 alias first
ip -n left neigh add proxy 10.0.0.50 dev eth0
ip -n left route add 10.10.0.0/16 via 10.0.0.2 mtu 1200
ip -n left nexthop add id 5 via 10.0.0.2 dev eth0
ip -n left addr add 10.3.0.1 peer 10.3.0.2 dev eth0
ip -n right maddr add 33:33:00:00:00:99 dev eth0
ip -n right rule del priority 32767
ip netns exec right tc qdisc add dev eth0 ingress
ip netns exec right tc qdisc add dev eth0 root handle 1: htb default 20
ip netns exec right tc class add dev eth0 parent 1: classid 1:1 htb rate 10mbit
ip netns exec right tc class add dev eth0 parent 1:1 classid 1:20 htb rate 1mbit
ip netns exec right tc filter add dev eth0 parent 1: protocol ip u32 match ip dst 1.1.1.1 flowid 1:1
ip netns exec right python3 -c 'import time; time.sleep(99)' &
"""
    lab, notes = imported(PAIR + more)
    assert [route.to for route in lab.node("left").routes] == ["10.10.0.0/16"]
    told = "\n".join(notes)
    for said in (
        "host: the device br0: forward_delay is 0, in the lab 1500; mcast_snooping is 0, in",
        "left: the device eth0: ifalias is first, in the lab unset; txqlen is 55, in the lab 1000",
        "left: the proxy neighbour 10.0.0.50 of eth0 is left out",
        "left: the route to 10.10.0.0/16: mtu is 1200, in the lab unset",
        "left: the nexthop 5 is left out",
        "left: the address 10.3.0.1/32 of eth0: peer is 10.3.0.2, in the lab unset",
        "right: the multicast address 33:33:00:00:00:99 of eth0 is left out",
        "right: the policy rule 32767 is in the lab only",
        "right: queueing discipline htb of eth0, ingress of eth0, each is left out",
        "htb 1:1 of eth0, htb 1:20 of eth0, each is left out",
        "right: the set of filters of eth0 is left out",
        """right: python3 -c 'import time; time.sleep(99)' still ran, and is left out""",
    ):
        assert said in told


EVERY_KIND = """#!/bin/sh
ip netns add a; ip netns add b
ip link add br0 type bridge ageing_time 1000 priority 100
ip link set br0 up
ip link add va numtxqueues 7 numrxqueues 7 type veth peer name eth0 netns a
ip link add vb type veth peer name eth0 netns b
ip link set va master br0 up; ip link set vb master br0 up
bridge link set dev va isolated on hairpin on
bridge fdb add 02:00:00:00:00:99 dev va master static
for n in a b; do ip -n $n link set eth0 up; done
ip -n a addr add 10.0.0.1/24 dev eth0; ip -n b addr add 10.0.0.2/24 dev eth0
ip -n b addr add fd00::2/64 dev eth0
ip -n a link add m0 link eth0 type macvlan mode private; ip -n a link set m0 up
ip link add m1 link br0 type macvlan; ip link set m1 netns b name up1
ip -n a link add x0 type vxlan id 5 dev eth0 local 10.0.0.1 remote 10.0.0.2 dstport 8472 nolearning
ip -n a link set x0 up
ip netns exec a bridge fdb append 00:00:00:00:00:00 dev x0 dst 10.0.0.7
ip -n a tuntap add t0 mode tap
ip netns exec a tc qdisc add dev eth0 root tbf rate 1mbit burst 32kbit latency 400ms
tc qdisc add dev vb root handle 1: htb default 10
tc class add dev vb parent 1: classid 1:10 htb rate 5mbit ceil 6mbit
ip -n a route add 10.7.0.0/16 via 10.0.0.2 table 100
ip -n a rule add from 10.0.0.0/24 fwmark 1/3 lookup 100 priority 500
ip -n a -6 rule add fwmark 7 blackhole priority 99
ip -n a route add blackhole 10.66.0.0/16
ip -n a route add 10.67.0.0/16 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3
ip -n a route add 10.68.0.0/16 via 10.9.0.2 dev eth0 onlink
ip -n b route add 10.67.0.0/16 table 7 nexthop via 10.0.0.1 nexthop via 10.9.0.2 dev eth0 onlink
ip -n b route add fd67::/64 nexthop via fd00::7 dev eth0 nexthop via fe80::1 dev eth0
"""


@TAPS
def test_devices_rates_and_options_come_in() -> None:
    """All that a lab file has a key for; and nothing needs attention."""
    text, notes = import_lab(EVERY_KIND, "made.sh")
    assert notes == ()
    lab = parse(text, "made.yaml")
    a, b, host = lab.node("a"), lab.node("b"), lab.node("host")
    (bridge,) = host.bridges
    assert (bridge.ageing, bridge.priority) == (10, 100)
    assert [(entry.mac, entry.port) for entry in bridge.fdb] == [("02:00:00:00:00:99", "va")]
    kinds = {device.ref.dev: device.kind for node in (a, b) for device in node.devices}
    assert kinds == {"m0": "macvlan", "x0": "vxlan", "t0": "tap", "up1": "macvlan"}
    assert [str(device.over) for device in b.devices] == ["host/br0"]
    (remote,) = next(device.remotes for device in a.devices if device.remotes)
    assert remote.remote == "10.0.0.7"
    ends = {str(end.ref): end for link in lab.links for end in (link.a, link.b)}
    port = ends["host/va"]
    assert (port.queues, port.port.isolated, port.port.hairpin) == (7, True, True)
    rates = {ref: end.traffic.rate for ref, end in ends.items() if end.traffic.rate}
    assert {ref: (rate.kind, rate.rate, rate.ceil) for ref, rate in rates.items()} == {
        "a/eth0": ("tbf", 1_000_000, None),
        "host/vb": ("htb", 5_000_000, 6_000_000),
    }
    assert b.dad  # it was typed without nodad
    assert not a.dad
    assert [(r.type, r.to, r.table) for r in a.routes if r.table != 254 or r.type != "unicast"] == [
        ("blackhole", "10.66.0.0/16", 254),
        ("unicast", "10.7.0.0/16", 100),
    ]
    assert [
        line.strip(" -") for line in text.splitlines() if "onlink" in line or "nexth" in line
    ] == [
        "10.67.0.0/16 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3",
        "10.68.0.0/16 via 10.9.0.2 dev eth0 onlink",
        "10.67.0.0/16 table 7 nexthop via 10.0.0.1 nexthop via 10.9.0.2 dev eth0 onlink",
        "fd67::/64 nexthop via fd00::7 nexthop via fe80::1 dev eth0",
    ]
    assert [(rule.priority, rule.six) for rule in a.policy] == [(500, False), (99, True)]
    assert a.down == ("t0",)
    assert not built(lab)["a"]["links"]["t0"].up  # type: ignore[index]


def test_what_a_sandbox_is_not_is_told_in_words() -> None:
    """No internet, none of this machine's devices; and what installs programs does nothing."""
    _lab, notes = imported(
        PAIR + "apt-get install -y bridge-utils\nip link set eth0 up\ncurl -s http://192.0.2.1/\n"
    )
    told = "\n".join(notes)
    assert "apt-get" not in told
    assert "ip link set eth0 up: Cannot find device" in told
    assert "a sandbox begins with lo alone" in told
    assert "at: curl -s http://192.0.2.1/ (a sandbox leads to no other machine)" in told


def test_a_script_that_stops_is_told_with_its_line() -> None:
    """What stood until then is imported."""
    script = PAIR + "set -e\necho so far\nip link add br0 type nonsense\nip netns add never\n"
    lab, notes = imported(script)
    assert [node.name for node in lab.nodes] == ["left", "right"]
    assert any(note.startswith("made.sh:10: the script ended with exit status 2") for note in notes)
    assert any("it had printed: so far" in note for note in notes)


def test_what_was_printed_stands_at_its_line() -> None:
    """Of a builtin, a loop, a program in a pipe; and reading it changes no exit status."""
    script = f"""{PAIR}false; echo status $?
for i in 1 2; do
  x=$(false) || echo $i sub $?
done
printf 'a\\nb\\n' | cat | tail -n 1
exit 3
"""
    _lab, notes = imported(script)
    assert [note for note in notes if "it had printed" in note] == [
        "made.sh:8: it had printed: status 1",
        "made.sh:10: it had printed: 1 sub 1",
        "made.sh:10: it had printed: 2 sub 1",
        "made.sh:12: it had printed: b",
    ]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_trap_that_takes_all_down_is_not_done(shell: str) -> None:
    """What it would have ended is imported, and what a command printed stands at that command."""
    script = PAIR.replace("/bin/sh", f"/bin/{shell}").replace(
        "\n", "\ncleanup() { ip -all netns delete; }; trap cleanup EXIT INT\n", 1
    )
    lab, notes = imported(f"{script}set -e\ntrap '' HUP\nsh -c 'echo here; exit 1'\n")
    assert [node.name for node in lab.nodes] == ["left", "right"]
    trap, ended, printed = notes
    assert trap.startswith("made.sh:2: trap cleanup EXIT INT: is not done")
    assert ended.startswith("made.sh:11: the script ended with exit status 1 at: sh -c")
    assert printed == "made.sh:11: it had printed: here"


def test_what_a_script_wrote_below_etc_is_its_own_and_told() -> None:
    """New files and old ones; the machine's stay as they are."""
    before = Path("/etc/hosts").read_bytes()
    script = (
        "set -e\nmkdir -p /etc/netns/left\n"
        "echo nameserver 192.0.2.53 > /etc/netns/left/resolv.conf\n"
        "echo 192.0.2.1 r >> /etc/hosts\necho begun > /var/log/lab\n"
        "ip netns exec left grep -q 192.0.2.53 /etc/resolv.conf\n"
    )
    _lab, notes = imported(PAIR + script)
    assert notes == [
        f"made.sh: the file {path} is left out: a node has this machine's files"
        for path in ("/etc/hosts", "/etc/netns/left/resolv.conf")
    ]
    assert Path("/etc/hosts").read_bytes() == before
    assert not Path("/etc/netns/left").exists()


UPLINK = """
WAN=$(ip -4 route show default | awk '{print $5}')
iptables -t nat -A POSTROUTING -o "$WAN" -j MASQUERADE
"""


def test_a_script_that_looks_for_an_uplink_is_told_how_to_have_one() -> None:
    """And with one, what it made of it is imported; what never looked is told nothing."""
    _lab, notes = imported(PAIR + UPLINK)
    (told,) = [note for note in notes if "has no uplink" in note]
    assert told.startswith("made.sh:9: ip -4 route show default: ")
    assert "--uplink eth0" in told
    lab, notes = imported(PAIR + UPLINK, uplink="wan0")
    assert notes == []
    rules = [rule.text for rule in lab.node("host").iptables]
    assert rules == ["-t nat -A POSTROUTING -o wan0 -j MASQUERADE"]
    assert [str(route.via) for route in lab.node("host").routes] == ["198.51.100.1"]
    assert lab.node("internet").addresses[0].cidr == "198.51.100.1/24"


def test_an_uplink_that_cannot_be_is_refused() -> None:
    """In ip's own words."""
    with pytest.raises(UsageError, match=r"the uplink 'much-too-long-a-name' cannot be made: .*"):
        imported(PAIR, uplink="much-too-long-a-name")


def test_a_script_that_does_not_end_is_ended() -> None:
    """Its line is told, and its limit."""
    _lab, notes = imported(PAIR + "while :; do :; done\n", seconds=0.5)
    assert any("was stopped after 0.5 s" in note for note in notes)


def test_arguments_reach_the_script() -> None:
    """As $1 and so on."""
    lab, _notes = imported(
        '#!/bin/bash\nip netns add "$1"; ip netns add "$2"\n', arguments=["a", "b"]
    )
    assert [node.name for node in lab.nodes] == ["a", "b"]


def test_a_script_can_change_nothing_outside(tmp_path: Path) -> None:
    """Neither files, nor processes, nor what covers them; it may do as it likes in its own /tmp."""
    mine = tmp_path / "mine"
    mine.write_text("as it was")
    mine.chmod(0o666)
    tmp_path.chmod(0o777)
    script = f"""
echo changed > {mine}
rm -f {mine}
umount -l /tmp && echo UNCOVERED
umount -l /run && echo UNCOVERED
mount -o remount,rw / && echo UNCOVERED
echo 1 > /proc/sys/vm/drop_caches && echo WROTE
ls /dev > /tmp/devices && grep -E '^(sd|vd|nvme|mem|kmsg)' /tmp/devices && echo DEVICE
ip netns add done
exit 3
"""
    _lab, notes = imported(script)
    assert mine.read_text() == "as it was"
    assert not [
        note for note in notes if "UNCOVERED" in note or "WROTE" in note or "DEVICE" in note
    ]
    assert any("exit status 3" in note for note in notes)


def test_nothing_of_a_sandbox_is_left(records: Path) -> None:
    """No record, and no process."""
    imported(PAIR)
    assert list(records.iterdir()) == []


Clab = Callable[[str], tuple[LabSpec, list[str]]]


def clab(text: str) -> tuple[LabSpec, list[str]]:
    """The lab of a topology, and the notes."""
    made, notes = import_lab(text, "made.clab.yml")
    return parse(made, "made.yaml"), [str(note) for note in notes]


def test_commands_of_a_topology_are_run_and_read() -> None:
    """Addresses, routes, sysctls, rules; through a shell too; the rest is told."""
    lab, notes = clab("""
name: t
topology:
  defaults: {kind: linux}
  nodes:
    a:
      exec:
        - ip address add 10.0.0.1/24 dev eth1
        - sh -c "echo 1 > /proc/sys/net/ipv4/ip_forward && ip route add default via 10.0.0.2"
        - touch /tmp/something
        - sh -c "ip link set eth1 up; rm -rf /nowhere"
        - ip route del default via 10.9.9.9
    b:
      sysctls: {net.ipv4.conf.all.rp_filter: 2}
      exec: [iptables -A INPUT -p icmp -j DROP]
  links:
    - endpoints: ["a:eth1", "b:eth1"]
      mtu: 1400
""")
    a, b = lab.node("a"), lab.node("b")
    assert [address.cidr for address in a.addresses] == ["10.0.0.1/24"]
    assert [(route.to, route.via) for route in a.routes] == [("0.0.0.0/0", "10.0.0.2")]
    assert [(s.key, s.value) for s in a.sysctls] == [("net.ipv4.ip_forward", "1")]
    assert [(s.key, s.value) for s in b.sysctls] == [("net.ipv4.conf.all.rp_filter", "2")]
    assert [rule.text for rule in b.iptables] == ["-A INPUT -p icmp -j DROP"]
    assert lab.links[0].mtu == 1400
    assert "made.clab.yml:10: not run: touch /tmp/something" in "\n".join(notes)
    assert "made.clab.yml:11: not run: sh -c" in "\n".join(notes)
    assert "made.clab.yml:12: a: ip route del default via 10.9.9.9: RTNETLINK" in "\n".join(notes)


@pytest.mark.parametrize("name", built_in())
def test_nodes_come_back_from_containerlab(name: str) -> None:
    """All but what host has, which a topology file cannot hold."""
    lab = parse(built_in()[name], name)
    back, _notes = clab(export(lab, "containerlab"))
    wanted = [node for node in lab.nodes if node.name != "host"]
    for node in wanted:
        other = back.node(node.name)
        assert {a.cidr for a in other.addresses} == {a.cidr for a in node.addresses}
        assert {(r.to, r.via) for r in other.routes} == {(r.to, r.via) for r in node.routes}
        made = {(one.ref, one.kind, one.vxlan, one.bridge) for one in node.devices}
        assert {(one.ref, one.kind, one.vxlan, one.bridge) for one in other.devices} == made
        assert len(other.policy) == len(node.policy)
    ends = {frozenset((str(x.a.ref), str(x.b.ref), x.b.bridge)) for x in lab.links}
    assert {frozenset((str(x.a.ref), str(x.b.ref), x.b.bridge)) for x in back.links} == ends


TOPOLOGIES = sorted((Path(__file__).parents[1] / "interchange").glob("*.yml"))


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.name)
def test_topologies_as_others_write_them_are_imported_and_stand(path: Path) -> None:
    """See tests/interchange: each is a lab file without mistakes, and what it declares is there."""
    text, notes = import_lab(path.read_text(), path.name)
    assert not [note for note in notes if "in the lab file" in note.text]
    lab = parse(text, path.name)
    same = built(lab)
    for node in lab.nodes:
        links = same[node.name]["links"]
        assert isinstance(links, dict)
        told = {str(a) for link in links.values() for a in link.addresses}
        assert {address.cidr for address in node.addresses} <= told
    assert path.read_text().count("endpoints:") <= len(lab.links)
