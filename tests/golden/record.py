"""Record this kernel's nf_tables trace while two namespaces ping each other over a bridge.

Run it where namespaces may be made, with iproute2, nftables and ping installed:

    unshare -Urnm python tests/golden/record.py tests/golden/recordings

ns1/veth1a ── veth1b ═ br0 ═ veth2b ── ns2/veth2a, and a firewall that logs, jumps,
returns and drops. Datagrams are kept as they came, in order, one hexadecimal text each:
first the notices of new rules, then the trace.
"""

import json
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from hopscope.wire.netlink import (
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_REQUEST,
    Message,
    ack,
    pack,
    unpack,
)
from hopscope.wire.nft import NFNLGRP_NFTABLES, NFNLGRP_NFTRACE, log_table, trace_table

ADDRESSES = ("10.244.1.2", "10.244.1.4", "fd00::2", "fd00::4")
NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP, SOL_NETLINK = 1, 2, 270

NETWORK = """
mount -t tmpfs tmpfs /run
ip link add br0 address 02:00:00:00:00:ff type bridge
ip netns add ns1
ip netns add ns2
ip link add veth1b address 02:00:00:00:00:1b type veth peer veth1a address 02:00:00:00:00:1a
ip link add veth2b address 02:00:00:00:00:2b type veth peer veth2a address 02:00:00:00:00:2a
ip link set veth1a netns ns1
ip link set veth2a netns ns2
ip link set veth1b master br0 up
ip link set veth2b master br0 up
ip link set br0 up
ip -n ns1 address add 10.244.1.2/24 dev veth1a
ip -n ns2 address add 10.244.1.4/24 dev veth2a
ip -n ns1 address add fd00::2/64 dev veth1a nodad
ip -n ns2 address add fd00::4/64 dev veth2a nodad
ip -n ns1 link set veth1a up
ip -n ns2 link set veth2a up
sysctl -q -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
"""

RULES = """
table ip filter {
  chain FORWARD {
    type filter hook forward priority 0; policy accept;
    icmp type echo-request meta mark set 7 log prefix "Filter-FORWARD-1-"
    icmp type echo-request jump inner
    icmp type echo-reply goto inner
    udp dport 9 drop
  }
  chain inner { ip ttl 64 counter return; }
}
table ip6 filter {
  chain FORWARD {
    type filter hook forward priority 0; policy accept;
    icmpv6 type echo-request log prefix "six " level info
  }
}
table bridge filter {
  chain FORWARD {
    type filter hook forward priority 0; policy accept;
    icmp type echo-request log prefix "bridge "
    icmp type echo-request log group 5 prefix "not for the kernel log"
  }
}
table ip closed {
  chain forward {
    type filter hook forward priority 10; policy drop;
    icmp type { echo-request, echo-reply } accept
  }
}
"""

IPTABLES = """*mangle
-A POSTROUTING -p icmp -j LOG --log-prefix "Mangle-POSTROUTING-1-" --log-tcp-sequence
COMMIT
"""

# the payload is a probe's stamp, number 42: ping puts its clock only into longer ones
PINGS = (
    "ip netns exec ns1 ping -q -c 1 -s 12 -p 686f7073000000000000002a 10.244.1.4",
    "ip netns exec ns1 ping -q -c 1 -s 12 -p 686f7073000000000000002a fd00::4",
    'ip netns exec ns1 bash -c "echo x > /dev/udp/10.244.1.4/9"',
    'ip netns exec ns1 bash -c "echo x > /dev/udp/10.244.1.4/10"',
)


def main(folder: Path) -> None:
    """Build, ping, and write one file named for the kernel."""
    run(NETWORK)
    listener, owner, log_owner = (netfilter() for _ in range(3))
    listener.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
    subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)
    subprocess.run(["iptables-restore", "-n"], input=IPTABLES, text=True, check=True)
    datagrams = heard(listener)
    listener.setsockopt(SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, NFNLGRP_NFTABLES)
    commit(log_owner, log_table())
    commit(owner, trace_table("hopscope-1", ADDRESSES))
    listener.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
    for ping in PINGS:  # one by one: the buffer of an unprivileged socket is small
        run(ping)
        datagrams += heard(listener)
    kernel = platform.release().partition("-")[0]
    record = {
        "kernel": kernel,
        "devices": {str(index): name for index, name in socket.if_nameindex()},
        "datagrams": datagrams,
    }
    path = folder / f"bridge-ping-{kernel}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")


def run(commands: str) -> None:
    """Each line is a command; one that fails ends all."""
    for line in commands.strip().splitlines():
        subprocess.run(shlex.split(line), check=True, stdout=subprocess.DEVNULL)


def netfilter() -> socket.socket:
    """A netfilter socket of this namespace."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    made.bind((0, 0))  # without a port of its own a socket hears no group
    return made


def commit(owner: socket.socket, table: Sequence[Message]) -> None:
    """Make a table; the last message before its batch's end is acknowledged."""
    batch = [replace(message, flags=message.flags | NLM_F_REQUEST) for message in table]
    batch[-2] = replace(batch[-2], flags=batch[-2].flags | NLM_F_ACK)
    owner.send(b"".join(map(pack, batch)))
    answers = [ack(message) for message in unpack(owner.recv(1 << 16))]
    if [answer and answer.code for answer in answers] != [0]:
        sys.exit(f"the kernel refused the table: {answers}")


def heard(one: socket.socket) -> list[str]:
    """All that has arrived; what the pings caused has, since they were answered or dropped."""
    one.settimeout(0)
    datagrams = []
    while True:
        try:
            datagrams.append(one.recv(1 << 16).hex())
        except BlockingIOError:
            return datagrams


if __name__ == "__main__":
    main(Path(sys.argv[1]))
