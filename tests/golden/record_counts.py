"""Record what this kernel says of counted rules, before and after they are zeroed.

python tests/golden/record_counts.py tests/golden/recordings
"""

import json
import platform
import sys
from pathlib import Path

from hopscope import Lab
from hopscope.lab.running import RunningLab
from hopscope.model.vocab import Family, NodeName
from hopscope.wire import nft, nftreset
from hopscope.wire.netlink import NETLINK_NETFILTER, Message, pack

NFT = """
add table inet watched
add chain inet watched out { type filter hook output priority 0; }
add rule inet watched out icmp type echo-request counter
add rule inet watched out icmp type echo-request accept
"""
MADE = """
add table ip security
add chain ip security INPUT { type filter hook input priority 50; }
add chain ip security FORWARD { type filter hook forward priority 150; }
add chain ip security early { type filter hook prerouting priority -10; }
add chain ip security part
add rule ip security part quota over 25 mbytes counter drop
add table ip nat
add chain ip nat PREROUTING { type nat hook prerouting priority -100; }
add chain ip nat POSTROUTING { type nat hook postrouting priority 100; }
add rule ip nat POSTROUTING counter
add table ip mangle
add chain ip mangle OUTPUT { type route hook output priority -150; }
"""
"""By nft, in tables of names that iptables has: as it would make them, and not."""
IPTABLES = """
*filter
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p icmp
COMMIT
*mangle
:FORWARD ACCEPT [0:0]
COMMIT
"""
"""The ping passes the one policy, and not the other."""
NODE = NodeName("ns1")


def main(folder: Path) -> None:
    """In the built-in lab `bridge`: rules at ns1, one ping, the rules, zeroed, one rule more."""
    release = platform.release().partition("-")[0]
    told: dict[str, list[str]] = {}
    with Lab.load("bridge").up(f"counted-{release}") as lab:
        lab.run(NODE, ["nft", "-f", "-"], NFT.encode())
        lab.run(NODE, ["iptables-restore"], IPTABLES.encode())
        lab.ping("ns1", "ns2")
        told["chains"] = _ask(lab, nftreset.dump_chains(Family.IP))
        told["before"] = _ask(lab, nft.dump_rules(), nft.get_generation())
        told["zeroing"] = _ask(lab, nftreset.reset_rules(Family.IP, "filter"))
        told["zeroed"] = _ask(lab, nft.dump_rules(), nft.get_generation())
        lab.add_rules("iptables", NODE, "-A OUTPUT -p udp")
        told["changed"] = _ask(lab, nft.dump_rules(), nft.get_generation())
        lab.run(NODE, ["nft", "flush", "ruleset"])
        lab.run(NODE, ["nft", "-f", "-"], MADE.encode())
        told["made chains"] = _ask(lab, nftreset.dump_chains(Family.IP))
        for table in ("security", "nat"):
            told[f"made {table}"] = _ask(lab, nftreset.dump_rules(Family.IP, table))
    path = folder / f"counts-{release}.json"
    path.write_text(json.dumps({"kernel": release, "answers": told}, indent=1) + "\n")


def _ask(lab: RunningLab, *messages: Message) -> list[str]:
    return [
        pack(answer).hex()
        for message in messages
        for answer in lab.sandbox.ask(NODE, message, bus=NETLINK_NETFILTER)
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
