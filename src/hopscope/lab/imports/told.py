"""What iproute2 tells of a namespace, as things with settings; beyond what a Snapshot holds.

Two namespaces that are told alike here are alike; so an import can be compared with its model.
What differs anyway, such as indexes and counters, is left out. Does no I/O.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from msgspec import Struct

from hopscope.lab.imports.toldlinks import device, has_own_form

__all__ = ["FILTER", "SCRIPT", "Settings", "Thing", "Things", "things"]

SCRIPT: Final = r"""
tell() { printf '\n>>> %s\n' "$*"; "$@" 2>/dev/null; }
end='
'
all() {  # commands of ip with these options: by one program, as far as it tells each in a line
    options=$1; shift
    many=$#; left=$#
    told=$(printf '%s\n' "$@" | ip $options -batch - 2>/dev/null)
    IFS=$end; set -f; set -- "$@" $told; set +f; unset IFS
    while [ $left -gt 0 ]; do
        eval "line=\${$((many + 1)):-}"
        case $line in
        '['*) printf '\n>>> ip %s %s\n%s\n' "$options" "$1" "$line" ;;
        *) tell ip $options $1 ;;
        esac
        shift; left=$((left - 1))
    done
}
all '-d -j' 'link show' 'address show' 'route show table all' 'rule show'
bridges=
case $told in
*'"info_kind":"bridge"'*) bridges=some ;;
'['*) ;;
*) bridges=$(ip -o link show type bridge 2>/dev/null) ;;  # ip was not asked for all at once
esac
tell ip -d -j -6 rule show
all -j 'neigh show nud permanent' 'neigh show proxy' 'nexthop show' 'maddress show'
tell bridge -d -j fdb show
[ -n "$bridges" ] && { tell bridge -j vlan show; tell bridge -j mdb show; }
tell tc -j qdisc show
seen=' '
while read -r _ kind _ _ dev _; do
    case "$kind $seen" in
    noqueue\ *|pfifo_fast\ *|mq\ *|fq_codel\ *|pfifo\ *|\ *|*" $dev "*) continue ;;
    esac
    seen="$seen$dev "
    tell tc class show dev "$dev"
    tell tc filter show dev "$dev"
    tell tc filter show dev "$dev" ingress
    tell tc filter show dev "$dev" egress
done <<EOF
$(tc qdisc show 2>/dev/null)
EOF
tell ip xfrm state
tell ip xfrm policy
command -v ipset >/dev/null && tell ipset -o save list
for file in ip ip6 arp; do
    file=/proc/net/${file}_tables_names
    [ -r $file ] && while read -r table; do tell echo "$table" "$file"; done < $file
done
"""
"""For a shell in the namespace; what has no such program, or nothing to tell, tells nothing."""


FILTER: Final = "address filter"
"""What is told of an address that a device lets in: that of each macvlan over it, too."""


class Thing(NamedTuple):
    """*dev* is the device that it belongs to, "" for none."""

    what: str
    name: str
    dev: str = ""

    def __str__(self) -> str:
        return f"the {self.what} {self.name}"


Settings = Mapping[str, str]
Things = Mapping[Thing, Settings]


class _Part(Struct, frozen=True):
    words: list[str]
    text: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self.text or "[]")
        except ValueError:
            return []
        return [row for row in found if isinstance(row, dict) and row]


def things(text: str) -> dict[Thing, Settings]:
    """Out of what `SCRIPT` wrote."""
    parts = [
        _Part(head.split(), body.strip())
        for head, _, body in (one.partition("\n") for one in text.split("\n>>> ")[1:])
    ]
    macs = {str(row.get("address")) for one in parts if one.words[-2] == "link" for row in one.rows}
    found: dict[Thing, Settings] = {}
    for part in parts:
        found.update(_things(part, macs))
    return dict(_numbered(found))


def _numbered(found: Things) -> Iterator[tuple[Thing, Settings]]:
    """A class that is the only one, and the default, may have any number."""
    only = {
        thing.dev: settings.get("number")
        for thing, settings in found.items()
        if thing.what == "class"
    }
    for thing, settings in found.items():
        left = {key: value for key, value in settings.items() if key != "number"}
        if "default" in left and left["default"] == only.get(thing.dev):
            left["default"] = "its class"
        yield thing, left


def _things(part: _Part, macs: set[str]) -> Iterator[tuple[Thing, Settings]]:
    match part.words:
        case [*_, "link", "show"]:
            yield from ((Thing("device", d, d), s) for d, s in map(device, part.rows))
        case [*_, "address", "show"]:
            yield from _addresses(part.rows)
        case [*_, "route", "show", "table", "all"]:
            yield from _routes(part.rows)
        case [*_, "rule", "show"]:
            yield from (_policy(row, six="-6" in part.words) for row in part.rows)
        case ["ip", _, "neigh" | "maddress", *_]:
            yield from _neighbours(part.rows)
        case [*_, "nexthop", "show"]:
            yield from ((Thing("nexthop", str(r.pop("id", ""))), _flat(r)) for r in part.rows)
        case [*_, "fdb", "show"]:
            yield from _fdb(part.rows, macs)
        case ["bridge", _, "vlan", "show"]:
            yield from _vlans(part.rows)
        case ["bridge", _, "mdb", "show"]:
            yield from _groups(part.rows)
        case ["tc", _, "qdisc", "show"]:
            yield from _qdiscs(part.rows)
        case ["tc", what, "show", "dev", dev, *_]:
            yield from _lines(what, dev, part.text)
        case ["ip", "xfrm", what]:
            yield from ((Thing(f"xfrm {what}", line), {}) for line in _outer(part.text))
        case ["ipset", *_]:
            yield from ((Thing("ipset line", line), {}) for line in part.text.splitlines())
        case ["echo", table, path]:
            tool = path.rpartition("/")[2].partition("_")[0]
            yield Thing("rules in the legacy table", f"{table} of {tool}tables"), {}
        case _:
            return


def _flat(row: Any, without: Iterable[str] = ()) -> dict[str, str]:
    """Every value as text, by its name; flags are names that have no value."""
    found: dict[str, str] = {}
    for key, value in row.items():
        if key in without:
            continue
        if key == "flags":
            found |= {str(flag): "on" for flag in value if flag not in ("linkdown", "dead")}
        elif key == "metrics":
            for one in value:
                found |= _flat(one)
        elif key == "nexthops":
            found[key] = ", ".join(_hop(one) for one in value)
        else:
            found[str(key)] = "on" if value is None else _text(value)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hop(one: Mapping[str, Any]) -> str:
    words = [f"via {one['gateway']}"] if "gateway" in one else []
    words += [f"dev {one['dev']}"] if "dev" in one else []
    words += [f"weight {one['weight']}"] if one.get("weight", 1) != 1 else []
    return " ".join(words)


_ADDRESS_ITSELF: Final = (
    *("family", "local", "prefixlen", "tentative", "nodad", "dadfailed", "broadcast"),
    *("valid_life_time", "preferred_life_time", "permanent", "optimistic"),
)
_FOREVER: Final = 0xFFFFFFFF


def _addresses(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Thing, Settings]]:
    for row in rows:
        dev = str(row.get("ifname"))
        for one in row.get("addr_info", ()):
            ip = str(one.get("local", one.get("address", "")))
            if has_own_form(ip, row) or one.get("protocol") == "kernel_lo":
                continue
            found = _flat(one, _ADDRESS_ITSELF)
            if found.get("label") == dev:
                del found["label"]
            if one.get("valid_life_time", _FOREVER) != _FOREVER:
                found["lifetime"] = "limited"
            if "address" in found and "local" in one:
                found["peer"] = found.pop("address")
            yield Thing("address", f"{ip}/{one.get('prefixlen')} of {dev}", dev), found


_AUTOMATIC: Final = ("kernel", "ra", "redirect")


def _routes(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[Thing, Settings]]:
    for row in rows:
        if row.get("protocol") in _AUTOMATIC:
            continue
        kind, table = row.pop("type", "unicast"), row.pop("table", "main")
        name = str(row.pop("dst", ""))
        metric, hops = row.get("metric", 0), row.get("nexthops", ())
        name = f"to {name}" + (f" of metric {metric}" if metric not in (0, 1024) else "")
        name += f" in table {table}" if table != "main" else ""
        found = _flat(row, ("metric", "pref") if row.get("pref") == "medium" else ("metric",))
        if found.get("protocol") in ("boot", "static"):
            del found["protocol"]
        if kind != "unicast":  # IPv6 lets them lie over lo
            found = {"type": kind}
        first = next(iter(hops), row)
        yield Thing("route", name, str(first.get("dev", ""))), found


def _policy(row: dict[str, Any], *, six: bool) -> tuple[Thing, Settings]:
    for key in ("src", "dst"):
        if (length := row.pop(f"{key}len", None)) is not None:
            row[key] = f"{row[key]}/{length}"
    name = str(row.pop("priority", ""))
    what = "policy rule of IPv6" if six else "policy rule"
    return Thing(what, name), _flat(row, ("protocol",))


def _neighbours(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[Thing, Settings]]:
    for row in rows:
        dev = str(row.get("dev", row.get("ifname", "")))
        for group in row.get("maddr", ()):
            if "static" in group.get("features", ""):
                name = group.get("address", group.get("link"))
                yield Thing("multicast address", f"{name} of {dev}", dev), {}
        if "dst" in row:
            what = "proxy neighbour" if "proxy" in row else "neighbour"
            name = f"{row['dst']} of {dev}"
            yield Thing(what, name, dev), _flat(row, ("dst", "dev", "state", "proxy"))


def _fdb(rows: Iterable[dict[str, Any]], macs: set[str]) -> Iterator[tuple[Thing, Settings]]:
    for row in rows:
        mac, dev = str(row.get("mac")), str(row.get("ifname"))
        flags = row.get("flags", ())
        lasting = row.get("state") in ("permanent", "static")
        group = int(mac[:2], 16) & 1 and "dst" not in row
        if not lasting or group or (mac in macs and "dst" not in row):
            continue
        name = f"{mac} of {dev}" + (f" to {row['dst']}" if "dst" in row else "")
        name += f" in VLAN {row['vlan']}" if "vlan" in row else ""
        found = _flat(row, ("mac", "ifname", "dst", "vlan", "flags", "master"))
        found |= {flag: "on" for flag in flags if flag not in ("offload", "self")}
        if "dst" in row:
            found.pop("state", None)
        own = "dst" not in row and "master" not in row  # what the device itself lets in
        yield Thing(FILTER if own else "forwarding entry", name, dev), found


def _vlans(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Thing, Settings]]:
    for row in rows:
        dev = str(row.get("ifname"))
        for one in row.get("vlans", ()):
            first = one.get("vlan", 0)
            for vid in range(first, one.get("vlanEnd", first) + 1):
                yield Thing("VLAN", f"{vid} of {dev}", dev), _flat(one, ("vlan", "vlanEnd"))


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Thing, Settings]]:
    for row in rows:
        for one in row.get("mdb", ()):
            if one.get("state") == "permanent":
                dev = str(one.get("port"))
                yield Thing("multicast entry", f"{one.get('grp')} of {dev}", dev), {}


_UNASKED: Final = ("noqueue", "noop")


def _qdiscs(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[Thing, Settings]]:
    for row in rows:
        if row.get("kind") in _UNASKED:
            continue
        dev, kind = str(row.get("dev")), str(row.get("kind"))
        found = _flat(row.get("options", {}), ("direct_packets_stat", "ver"))
        if not row.get("root") and kind not in ("ingress", "clsact"):
            found["parent"] = str(row.get("parent"))
        yield Thing("queueing discipline", f"{kind} of {dev}", dev), found


def _lines(what: str, dev: str, text: str) -> Iterator[tuple[Thing, Settings]]:
    """Classes, of which a single one may have any number; and all filters of a device."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if what == "filter" and lines:
        yield Thing("set of filters", f"of {dev}", dev), {"text": "; ".join(lines)}
    elif what == "class" and len(lines) == 1:
        _, kind, number, *_ = lines[0].split()
        numbered = {"number": f"0x{number.partition(':')[2]}"}
        yield Thing("class", f"{kind} of {dev}", dev), _limits(lines[0]) | numbered
    elif what == "class":
        for line in lines:
            name = " ".join(line.split()[1:3])
            yield Thing("class", f"{name} of {dev}", dev), _limits(line)


def _limits(line: str) -> dict[str, str]:
    """Rates; the bursts come rounded, and are of the lab's choice where nobody made one."""
    words = line.split()
    return {key: value for key, value in pairwise(words) if key in _LIMITS}


_LIMITS: Final = ("rate", "ceil", "prio", "quantum")


def _outer(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line and not line[0].isspace())
