"""What ``ip -d -j link`` tells of a device, without what follows from it or from chance."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

__all__ = ["device", "has_own_form"]

_OWN: Final = (
    *("mtu", "master", "group", "linkmode", "broadcast", "ifalias", "altnames", "protodown"),
    *("inet6_addr_gen_mode", "num_tx_queues", "num_rx_queues", "xdp", "txqlen"),
    *("gso_max_size", "gso_max_segs", "gro_max_size"),
)
_FLAGS: Final = ("UP", "NOARP", "PROMISC", "ALLMULTI", "DYNAMIC", "MULTICAST", "TRAILERS")
_FOLLOWS: Final = frozenset(
    {"bridge_id", "root_id", "root_port", "root_path_cost", "hello_timer", "tcn_timer"}
    | {"topology_change", "topology_change_detected", "topology_change_timer", "gc_timer"}
    | {"state", "id", "no", "designated_port", "designated_cost", "hold_timer", "designated_bridge"}
    | {"designated_root", "message_age_timer", "forward_delay_timer", "topology_change_ack"}
    | {"config_pending", "group_fwd_mask_str", "fdb_n_learned", "mcast_n_groups", "link_index"}
    | {"bcqueuelen", "usedbcqueuelen", "link_netnsid", "macaddr_count", "group_addr"}
)


def device(row: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Its name and its settings."""
    found = {key: str(row[key]) for key in _OWN if key in row}
    found |= {flag.lower(): "on" for flag in _FLAGS if flag in row.get("flags", ())}
    info = row.get("linkinfo", {})
    found["kind"] = str(info.get("info_kind", row.get("link_type", "")))
    for key in ("info_data", "info_slave_data"):
        found |= dict(_settings(info.get(key, {})))
    return str(row.get("ifname")), found


def _settings(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if key not in _FOLLOWS:
            yield key, _word(value)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def has_own_form(ip: str, row: Mapping[str, Any]) -> bool:
    """Whether IPv6 made the address of the device's own; mirrors addrconf_ifid_eui48()."""
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    if not isinstance(address, IPv6Address):
        return row.get("link_type") == "loopback" and ip == "127.0.0.1"
    if row.get("link_type") == "loopback":
        return ip == "::1"
    return address.is_link_local and address.packed[11:13] == b"\xff\xfe"
