"""Record what nft and iptables-save print of one ruleset, and the kernel's list of its tables.

Run it where namespaces may be made, with nftables and iptables installed:

    unshare -Urn python tests/golden/record_rules.py tests/golden/recordings
"""

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

from hopscope.kernel.transport import Route
from hopscope.wire.netlink import NETLINK_NETFILTER, pack
from hopscope.wire.ruleset import dump_tables

COMMANDS = """
iptables -A FORWARD -p icmp -j LOG --log-prefix "Filter-FORWARD-1-"
iptables -A FORWARD -p tcp -m comment --comment 'say "hi" # handle 9' -j ACCEPT
iptables -N inner
iptables -A inner -s 10.0.0.0/8 -j RETURN
iptables -I FORWARD 2 -p udp -j inner
iptables -t nat -A PREROUTING -p icmp -j LOG --log-prefix 'a "b" '
iptables -t mangle -A FORWARD -p tcp -j LOG --log-prefix "in mangle "
ip6tables -A INPUT -p icmpv6 -j LOG
"""

SCRIPT = """
table inet mine {
  counter hits { }
  set bad { type ipv4_addr; elements = { 10.9.9.9 }; }
  map fate { type ipv4_addr : verdict; elements = { 10.9.9.8 : drop }; }
  chain in {
    type filter hook input priority 10; policy drop;
    counter name hits comment "named # handle 3"
    ip saddr @bad counter packets 5 bytes 420 log prefix "bad one " level info drop
    ip saddr vmap @fate
    tcp dport { 22, 80, 443, 8080, 9000, 9001 } log
    jump later
  }
  chain later { }
}
table bridge mine {
  chain in { type filter hook prerouting priority -200; ether type arp accept; }
}
table ip mangle {
  chain FORWARD { ct mark 7 meta mark 7 counter; }
  chain only { icmp type echo-request meta mark set ip dscp map { 1 : 7 }; }
}
table arp empty { }
"""

TABLES = (
    *("ip filter", "ip nat", "ip mangle", "ip6 filter"),
    *("inet mine", "bridge mine", "arp empty"),
)


def main(folder: Path) -> None:
    """Make the rules, list them, and write one file named for the tools."""
    for line in COMMANDS.strip().splitlines():
        subprocess.run(shlex.split(line), check=True)
    subprocess.run(["nft", "-f", "-"], input=SCRIPT, text=True, check=True)
    netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    route = Route(netfilter, "here")
    versions = [_version(tool) for tool in ("nft", "iptables")]
    record = {
        "tools": " ".join(versions),
        "tables": [pack(answer).hex() for answer in route.ask(dump_tables())],
        "listings": [_said(f"nft -j -a list table {table}") for table in TABLES],
        "stateless": _said("nft -s -a list ruleset"),
        "saved": {"ip": _said("iptables-save"), "ip6": _said("ip6tables-save")},
    }
    route.close()
    path = folder / f"rules-nft-{versions[0]}-iptables-{versions[1]}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")


def _said(command: str) -> str:
    return subprocess.run(shlex.split(command), check=True, capture_output=True, text=True).stdout


def _version(tool: str) -> str:
    found = re.search(r"v([\d.]+)", _said(f"{tool} --version"))
    return found.group(1) if found else "unknown"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
