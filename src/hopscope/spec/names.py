"""How names, addresses, sysctls and rules are written; knows no lab to look them up in."""

import re
import shlex
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Final

from hopscope.model.chains import ChainName
from hopscope.model.naming import cut
from hopscope.model.vocab import Family
from hopscope.spec.faults import Fault, near, shortened

__all__ = [
    "TABLES",
    "address_fault",
    "device_fault",
    "hook_fault",
    "ip_fault",
    "ip_of",
    "is_mac",
    "mac_fault",
    "name_fault",
    "network_of",
    "rule_fault",
    "sysctl_fault",
    "sysctl_parts",
]

TABLES: Final = ("filter", "nat", "mangle", "raw", "security")

_NAME: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9._-]*")
_LONGEST_NAME: Final = 63
_LONGEST_DEVICE: Final = 15  # IFNAMSIZ less the closing zero
_RESERVED: Final = ("lo", "all", "default")  # the last two name directories of sysctls
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_COMMANDS: Final = re.compile(
    r"-[ADIRFZNXPE]|--(append|delete|insert|replace|flush|zero|new-chain|delete-chain|policy"
    r"|rename-chain)"
)
_GLUED_TABLE: Final = re.compile(rf"(-t|--table=)({'|'.join(TABLES)})")


def name_fault(text: str, what: str) -> Fault | None:
    """The name of a lab or a node."""
    if len(text) > _LONGEST_NAME:
        message = f"the name of {what} has {len(text)} characters, and {_LONGEST_NAME} are allowed"
        return Fault(rule="name-too-long", message=message, text=text)
    if not _NAME.fullmatch(text) or text in (".", ".."):
        message = f"{shortened(text)} cannot be the name of {what}"
        hint = "use letters, digits, '.', '_' and '-', and do not begin with '-'"
        return Fault(rule="bad-name", message=message, text=text, hint=hint)
    return None


def device_fault(text: str) -> Fault | None:
    """The name of a device. Mirrors dev_valid_name(), net/core/dev.c, and is narrower.

    '@' and '%' are left out because the lab file and the kernel read more into them.
    """
    size = len(text.encode())
    if size > _LONGEST_DEVICE:
        message = f"the device name {shortened(text)} has {size} bytes, and {_LONGEST_DEVICE} fit"
        return Fault(rule="name-too-long", message=message, text=text, hint="shorten it")
    if text in _RESERVED:
        message = f"{text!r} cannot name a device: the kernel uses the name itself"
        return Fault(rule="bad-name", message=message, text=text, hint="choose another name")
    fine = re.fullmatch(r"[!-~]+", text) and not re.search(r"[/:@%]", text)
    if not fine or text in (".", "..") or text.startswith("-"):
        message = f"{shortened(text)} cannot name a device"
        hint = "use letters, digits, '.', '_' and '-', and do not begin with '-'"
        return Fault(rule="bad-name", message=message, text=text, hint=hint)
    return None


def ip_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address that *text* is, or None. A zone (``fe80::1%eth0``) is none of an address."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def ip_fault(text: str, what: str) -> Fault | None:
    """An address without a prefix length."""
    if ip_of(text) is not None:
        return None
    alone = text.partition("/")[0]
    hint = f"write {alone}" if ip_of(alone) else "write it as 10.244.1.4 or fd00::4"
    message = f"{shortened(text)} is not an IP address, which {what} is"
    return Fault(rule="bad-address", message=message, text=text, hint=hint)


def address_fault(text: str) -> Fault | None:
    """An address of a device, in CIDR form."""
    alone, slash, length = text.partition("/")
    ip = ip_of(alone)
    if ip is None:
        plain = re.sub("%[^/]*", "", text)
        usual_form = "fd00::2/64" if ":" in text else "10.244.1.2/24"
        hint = f"write {plain}" if ip_of(plain.partition("/")[0]) else f"write it as {usual_form}"
        message = f"{shortened(text)} is not an address with a prefix length"
        return Fault(rule="bad-address", message=message, text=text, hint=hint)
    usual = 24 if ip.version == 4 else 64
    if not slash:
        message = f"{text} has no prefix length, so its subnet is unknown"
        return Fault(rule="bad-address", message=message, text=text, hint=f"write {text}/{usual}")
    if not re.fullmatch(r"[0-9]{1,3}", length) or int(length) > ip.max_prefixlen:
        message = f"/{cut(length)} is not a prefix length of IPv{ip.version}"
        hint = f"write 0 to {ip.max_prefixlen}, as {alone}/{usual}"
        return Fault(rule="bad-address", message=message, text=text, hint=hint)
    if ip.is_multicast or ip.is_unspecified:
        message = f"{alone} cannot belong to a device"
        return Fault(rule="bad-address", message=message, text=text)
    return None


@lru_cache(256)
def network_of(
    text: str, what: str = "the destination of a route", *, every: str = "default"
) -> Fault | None:
    """Whether it is no network, nor one address; *every* is the word for all addresses there."""
    try:
        if "%" not in text and re.fullmatch(r"[^/]+(/[0-9]{1,3})?", text):
            ip_network(text)
            return None
        loose = None
    except ValueError:
        loose = _loose_network(text)
    if loose is not None:
        message = f"{text} names a host within a network"
        hint = f"did you mean {loose!r}?"
    else:
        message = f"{shortened(text)} is not {what}"
        hint = f"write {every!r}, or a network such as 10.1.0.0/16"
    return Fault(rule="bad-route", message=message, text=text, hint=hint)


def _loose_network(text: str) -> str | None:
    try:
        return str(ip_interface(text).network)
    except ValueError:
        return None


def is_mac(text: str) -> bool:
    """Whether *text* is a MAC address at all."""
    return _MAC.fullmatch(text) is not None


def mac_fault(text: str, *, own: bool = False) -> Fault | None:
    """A MAC address; a device's *own* must be one station's (is_valid_ether_addr())."""
    if not is_mac(text):
        digits = re.sub(r"[-.: ]", "", text)
        hint = "write it as 02:00:00:00:00:01"
        if re.fullmatch(r"[0-9A-Fa-f]{12}", digits):
            pairs = ":".join(digits[n : n + 2] for n in range(0, 12, 2))
            hint = f"did you mean '{pairs.lower()}'?"
        message = f"{shortened(text)} is not a MAC address"
        return Fault(rule="bad-mac", message=message, text=text, hint=hint)
    if own and (int(text[:2], 16) & 1 or not text.strip("0:")):
        message = f"{text} is a group address or zero, and a device needs one of its own"
        hint = f"begin it with 02: 02{text[2:]}"
        return Fault(rule="bad-mac", message=message, text=text, hint=hint)
    return None


def sysctl_parts(key: str) -> tuple[str, ...]:
    """The parts of a key; as with sysctl(8), the first separator tells which one is used."""
    return tuple(key.split("/" if "/" in key else "."))


def sysctl_fault(key: str, value: str) -> Fault | None:
    """A sysctl, and whether the value can be one."""
    if not key.startswith(("net.", "net/")):
        hint = "a namespace has only the keys below net."
        message = f"the sysctl {shortened(key)} does not begin with 'net.'"
        return Fault(rule="bad-sysctl", message=message, text=key, hint=hint)
    if key.startswith("net.") and "/" in key:
        hint = "use '/' throughout when a device's name holds a '.'"
        message = f"the sysctl {shortened(key)} mixes '.' and '/'"
        return Fault(rule="bad-sysctl", message=message, text=key, hint=hint)
    if any(part in ("", ".", "..") or re.search(r"\s", part) for part in sysctl_parts(key)):
        message = f"{shortened(key)} is not the name of a sysctl"
        hint = "write it as net.ipv4.ip_forward"
        return Fault(rule="bad-sysctl", message=message, text=key, hint=hint)
    if not value.strip() or "\n" in value:
        message = f"the value of {key} must be one line"
        return Fault(rule="bad-sysctl", message=message, text=value, hint="write a number")
    return None


def rule_fault(line: str, tool: str) -> Fault | None:
    """A line of iptables arguments, so far as it can be judged without iptables."""

    def fault(message: str, hint: str) -> Fault:
        return Fault(rule="bad-rule", message=message, text=line, hint=hint)

    if not line.strip():
        return fault(f"this line of {tool} is empty", "write '-A FORWARD -p icmp -j ACCEPT'")
    if "\n" in line.strip():
        return fault(f"{tool} rules stand one to a line", "begin each rule with '- '")
    try:
        words = shlex.split(line)
    except ValueError as error:
        return fault(f"this {tool} rule cannot be split into words: {error}", "close the quote")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ("-t", "--table") and following not in TABLES:
            hint = near(following, TABLES)
            return fault(f"{tool} has no table {shortened(following)}", hint)
        if _GLUED_TABLE.fullmatch(word):
            return fault(f"write the table of a rule apart, not {word!r}", "as in '-t nat'")
    if not any(_COMMANDS.fullmatch(word) for word in words):
        hint = f"begin with what to do: '-A FORWARD {cut(line.strip())}'"
        return fault(f"this {tool} line says no -A, -I, -P or other command", hint)
    return None


def hook_fault(text: str) -> Fault | None:
    """A chain as a story names it: NODE/TABLE/CHAIN or NODE/FAMILY/TABLE/CHAIN."""
    found = ChainName.read(text)
    hint = "write NODE/TABLE/CHAIN, as host/filter/FORWARD"
    if found is None:
        message = f"{shortened(text)} does not name a chain of a node"
        return Fault(rule="bad-hook", message=message, text=text, hint=hint)
    table, slash, _ = found.chain.partition("/")
    if found.family is None and slash and table in TABLES:
        message = f"there is no family {shortened(found.table)} of chains"
        return Fault(
            rule="bad-hook", message=message, text=text, hint=near(found.table, map(str, Family))
        )
    return None
