"""Record this kernel's rtnetlink tables, and what iproute2 says of the same ones.

Run it where namespaces may be made, with iproute2 installed:

    unshare -Urnm python tests/golden/record_tables.py tests/golden/recordings

The answers to each dump are kept as they came, one hexadecimal text a message; beside them
stands the JSON that `ip` and `bridge` print. Nothing moves meanwhile: no device that could
send has a peer that would answer.
"""

import json
import platform
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from hopscope.kernel.transport import Route
from hopscope.wire import rtnl
from hopscope.wire.netlink import Message, pack

NETWORK = """
mount -t tmpfs tmpfs /run
ip netns add ns1
ip link set lo up
ip link add br0 address 02:00:00:00:00:ff mtu 1400 type bridge stp_state 0
ip link add br1 address 02:00:00:00:00:fe type bridge stp_state 0 nf_call_iptables 1
ip link add port1 address 02:00:00:00:00:1b type veth peer eth0 address 02:00:00:00:00:1a
ip link set eth0 netns ns1
ip link add port2 address 02:00:00:00:00:2b type veth peer near2 address 02:00:00:00:00:2a
ip link add alone address 02:00:00:00:00:3b type veth peer near3 address 02:00:00:00:00:3a
ip link set port1 master br0 up
ip link set port2 master br0
ip link set alone alias "a name"
ip link set near2 up
ip -n ns1 link set eth0 up
ip link set br0 up
ip address add 10.9.0.1/24 dev near2
ip address add 10.9.1.1 peer 10.9.1.2/32 dev near2
ip address add 10.9.2.0/31 dev near2
ip address add 10.9.3.1/24 dev br0
ip address add fd00:9::1/64 dev br0 nodad
ip route add 192.0.2.0/24 via 10.9.3.2
ip route add 192.0.2.0/24 via 10.9.3.3 metric 50
ip route add 198.51.100.0/24 nexthop via 10.9.3.4 weight 2 nexthop via 10.9.3.5
ip route add blackhole 203.0.113.0/25
ip route add unreachable 203.0.113.128/26 metric 7
ip route add prohibit 203.0.113.192/26
ip route add throw 10.77.0.0/16 table 100
ip route add default via 10.9.3.6 table 1000 src 10.9.3.1
ip route add 10.78.0.0/16 via inet6 fd00:9::2 dev br0
ip route add fd00:1::/64 via fd00:9::3 metric 33
ip route add fd00:2::/64 nexthop via fd00:9::4 dev br0 nexthop via fd00:9::5 dev br0
ip route add blackhole fd00:3::/64
ip route add default via fd00:9::6
ip rule add from 10.1.0.0/16 table 100 priority 10
ip rule add to 10.2.3.4 table 1000 priority 11
ip rule add fwmark 7 table 100 priority 12
ip rule add iif br0 ipproto udp dport 53 table 100 priority 13
ip rule add not from 10.5.0.0/24 table 100 priority 14
ip rule add table main suppress_prefixlength 0 priority 15
ip rule add tos 0x10 table 100 priority 16
ip rule add from 10.6.0.0/16 unreachable priority 17
ip -6 rule add from fd00:4::/64 oif br0 table 100 priority 20
ip neighbour add 10.9.3.20 lladdr 02:00:00:00:01:14 dev br0 nud permanent
ip neighbour add 10.9.3.21 lladdr 02:00:00:00:01:15 dev br0 nud stale
ip neighbour add 10.9.3.22 dev br0 nud failed
ip neighbour add 10.9.3.23 lladdr 02:00:00:00:01:17 dev br0 nud noarp
ip neighbour add fd00:9::20 lladdr 02:00:00:00:01:20 dev br0 nud permanent
bridge fdb add 02:00:00:00:02:01 dev port1 master static
bridge fdb add 02:00:00:00:02:02 dev port1 master dynamic
bridge fdb add 02:00:00:00:02:03 dev port2 master permanent
"""

DUMPS = {
    "links": rtnl.dump_links(),
    "addresses": rtnl.dump_addresses(),
    "routes": rtnl.dump_routes(rtnl.AF_INET),
    "routes 6": rtnl.dump_routes(rtnl.AF_INET6),
    "rules": rtnl.dump_policy_rules(rtnl.AF_INET),
    "rules 6": rtnl.dump_policy_rules(rtnl.AF_INET6),
    "neighbours": rtnl.dump_neighbours(rtnl.AF_INET),
    "neighbours 6": rtnl.dump_neighbours(rtnl.AF_INET6),
    "fdb": rtnl.dump_fdb(),
}

SAYINGS = {
    "links": "ip -json -details -statistics link show",
    "addresses": "ip -json address show",
    "routes": "ip -json -details -4 route show table all",
    "routes 6": "ip -json -details -6 route show table all",
    "rules": "ip -json -details -4 rule show",
    "rules 6": "ip -json -details -6 rule show",
    "neighbours": "ip -json -4 neighbour show nud all",
    "neighbours 6": "ip -json -6 neighbour show nud all",
    "fdb": "bridge -json fdb show",
}


def main(folder: Path) -> None:
    """Build, dump, ask iproute2, and write one file named for the kernel."""
    for line in NETWORK.strip().splitlines():
        subprocess.run(shlex.split(line), check=True, stdout=subprocess.DEVNULL)
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    route = Route(made, "here")
    release = platform.release().partition("-")[0]
    record = {
        "kernel": release,
        "dumps": {name: _hexadecimal(route.ask(dump)) for name, dump in DUMPS.items()},
        "sayings": {name: _said(command) for name, command in SAYINGS.items()},
    }
    route.close()
    path = folder / f"tables-{release}.json"
    path.write_text(json.dumps(record) + "\n")


def _hexadecimal(answers: list[Message]) -> list[str]:
    return [pack(answer).hex() for answer in answers]


def _said(command: str) -> Any:
    done = subprocess.run(shlex.split(command), check=True, capture_output=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
