"""Our requests as pyroute2 reads them: the oracle of what our bytes mean."""

from ipaddress import ip_address
from typing import Any

from hopscope.wire.netlink import Message, pack

__all__ = ["decoded"]

_ADDRESSES = (
    *("IFA_LOCAL", "IFA_ADDRESS", "RTA_DST", "RTA_GATEWAY", "NDA_DST", "RTA_PREFSRC"),
    *("FRA_SRC", "FRA_DST"),
)


def decoded(message: Message, layout: type[Any]) -> dict[str, Any]:
    """Header fields and attributes, nested ones as dictionaries."""
    read = layout(pack(message))
    read.decode()
    assert read["header"]["length"] == len(message.payload) + 16
    fields = {name: read[name] for name, _ in layout.fields if not name.startswith("_")}
    return {**fields, **_plain(read["attrs"])}


def _plain(attrs: Any) -> dict[str, Any]:
    return {
        name: _plain(value["attrs"])
        if isinstance(value, dict) and "attrs" in value
        else str(ip_address(value))  # pyroute2 writes some IPv6 addresses in a way of its own
        if name in _ADDRESSES
        else value
        for name, value in attrs
    }
