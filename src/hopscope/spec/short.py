"""The short forms of the lab file, turned into the long ones; knows no model and no lab.

Each function lets pass what it does not know: the model behind it says what it wants.
"""

import re
import shlex
from typing import Any, Final

from pydantic_core import PydanticCustomError

from hopscope.spec.faults import shortened
from hopscope.spec.refusals import refusal, together, wanted

__all__ = [
    "address",
    "bridges",
    "command",
    "device_text",
    "drop",
    "empty_when_null",
    "end_name",
    "link",
    "link_end",
    "mark",
    "next_hop",
    "one_condition",
    "one_key",
    "one_or_many",
    "one_or_several",
    "one_origin",
    "over",
    "ping",
    "policy",
    "pool",
    "process",
    "refusal",
    "route",
    "show",
    "sysctl_value",
    "table",
    "text_value",
    "vlan",
    "wanted",
]

_END: Final = re.compile(r"(?P<node>[^:@/\s]+):(?P<dev>[^:@\s]+)(?:@(?P<bridge>[^:@\s]+))?")
_MARK: Final = re.compile(r"(0x[0-9a-fA-F]{1,8}|[0-9]{1,9})(/(0x[0-9a-fA-F]{1,8}|[0-9]{1,9}))?")
_OVER: Final = re.compile(r"((?P<node>[^:@/\s]+):)?(?P<dev>[^:@/\s]+)")
_PING: Final = re.compile(r"\s*(?P<source>[^\s>]+)\s*->\s*(?P<target>[^\s>]+)\s*")
_HOP_WORDS: Final = ("via", "dev", "weight", "onlink")
_ROUTE_WORDS: Final = ("via", "dev", "src", "metric", "table", "onlink")
_ROUTE_TYPES: Final = ("unicast", "blackhole", "unreachable", "prohibit", "throw")
_POLICY_WORDS: Final = {
    **{word: word for word in ("from", "to", "iif", "oif", "fwmark", "lookup", "priority")},
    "table": "lookup",
    "pref": "priority",
    "preference": "priority",
    "order": "priority",
}
_POLICY_ACTIONS: Final = ("blackhole", "unreachable", "prohibit")
_TABLES: Final = {"main": 254, "default": 253, "local": 255}
_LONGEST: Final = 15
_NUMBERS: Final = ("metric", "table", "lookup", "priority", "fwmark", "weight")


def empty_when_null(value: Any) -> Any:
    """``ns1:`` with nothing behind it is a node without anything."""
    return {} if value is None else value


def one_or_many(value: Any) -> Any:
    """``a`` is ``[a]``."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise wanted("a text, or a list of texts")
    return value


def one_or_several(value: Any) -> Any:
    """``a`` is ``[a]``, be it a text or a mapping."""
    if isinstance(value, str | dict):
        return [value]
    if not isinstance(value, list):
        raise wanted("a text, or a list of texts")
    return value


def address(value: Any) -> Any:
    """``10.0.0.1/24`` is ``{cidr: 10.0.0.1/24}``."""
    if isinstance(value, str):
        return {"cidr": value}
    if not isinstance(value, dict):
        raise wanted("a text")
    return value


def one_origin(value: Any) -> Any:
    """An address is given or drawn. Other keys pass: they are another mistake."""
    if isinstance(value, dict) and value.keys() >= {"cidr", "pool"}:
        message = "an address is given by 'cidr' or drawn from a 'pool', not both"
        raise refusal("one-key", message, hint="make it two addresses, in a list")
    if value == {}:
        hint = "write 10.244.1.2/24, or {pool: 10.244.0.0/16} to draw one"
        raise refusal("missing-key", "an address needs the key 'cidr' or 'pool'", hint=hint)
    return value


def pool(value: Any) -> Any:
    """``10.244.0.0/16`` is ``{range: 10.244.0.0/16}``."""
    if isinstance(value, str):
        return {"range": value}
    return _mapping_or(value, "a text like 10.244.0.0/16")


def bridges(value: Any) -> Any:
    """``[br0]`` is ``{br0: {}}``."""
    if not isinstance(value, list):
        return value
    found: dict[str, Any] = {}
    wrong: list[PydanticCustomError] = []
    for number, name in enumerate(value):
        if not isinstance(name, str):
            hint = "write [br0], or {br0: {stp: true}} to set something"
            message = "a bridge's name is a text"
            wrong.append(refusal("wrong-type", message, hint=hint, at=(number,)))
        elif name in found:
            message = f"the bridge {shortened(name)} is named twice"
            wrong.append(refusal("duplicate-device", message, text=name, at=(number,)))
        else:
            found[name] = {}
    if wrong:
        raise together(wrong)
    return found


def link_end(value: Any) -> Any:
    """``host:veth1b@br0`` is ``{end: host:veth1b@br0}``."""
    if isinstance(value, dict):
        return value
    end_name(value)  # so that it is refused as what it is
    return {"end": value}


def end_name(value: Any) -> Any:
    """``host:veth1b@br0`` is its three parts."""
    if not isinstance(value, str):
        raise wanted("a text like ns1:veth1a")
    match = _END.fullmatch(value)
    if match is None:
        hint = "write NODE:DEVICE, or NODE:DEVICE@BRIDGE for a port of a bridge"
        if re.fullmatch(r"[^/:@\s]+/[^/:@\s]+(@[^/:@\s]+)?", value):
            hint = f"did you mean {shortened(value.replace('/', ':'))}?"
        message = f"{shortened(value)} is not the end of a link"
        raise refusal("bad-end", message, text=value, hint=hint)
    return {key: part for key, part in match.groupdict().items() if part is not None}


def over(value: Any) -> Any:
    """``eth0`` is a device of the same node, ``host:eth0`` one of another."""
    if not isinstance(value, str):
        raise wanted("a text like eth0 or host:eth0")
    match = _OVER.fullmatch(value)
    if match is None:
        hint = "write DEVICE, or NODE:DEVICE for a device of another node"
        raise refusal("bad-end", f"{shortened(value)} names no device", text=value, hint=hint)
    return match.groupdict()


def vlan(value: Any) -> Any:
    """``10`` is ``{vid: 10}``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"vid": value}
    return _mapping_or(value, "the number of a VLAN")


def link(value: Any) -> Any:
    """``[a, b]`` is ``{ends: [a, b]}``."""
    if isinstance(value, list):
        return {"ends": value}
    return _mapping_or(value, "a list of two ends")


def route(value: Any) -> Any:
    """``default via 10.0.0.1`` is ``{to: default, via: 10.0.0.1}``, as ``ip route`` reads it."""
    if not isinstance(value, str):
        return _mapping_or(value, "a text like 'default via 10.0.0.1'")
    words = value.split() or [""]
    kind = words.pop(0) if words[0] in _ROUTE_TYPES and len(words) > 1 else None
    to, *rest = words
    starts = [at for at, word in enumerate(rest) if word == "nexthop"]
    found: dict[str, Any] = {"to": to} if kind is None else {"to": to, "type": kind}
    found |= _words(value, rest[: starts[0]] if starts else rest, _ROUTE_WORDS)
    if starts:
        pieces = (rest[at + 1 : end] for at, end in zip(starts, [*starts[1:], None], strict=True))
        found["nexthops"] = [_words(value, piece, _HOP_WORDS) for piece in pieces]
    return found


def next_hop(value: Any) -> Any:
    """``via 10.0.0.1 weight 2`` is ``{via: 10.0.0.1, weight: 2}``."""
    if not isinstance(value, str):
        return _mapping_or(value, "a text like 'via 10.0.0.1'")
    return _words(value, value.split(), _HOP_WORDS)


def _words(route: str, words: list[str], known: tuple[str, ...]) -> dict[str, Any]:
    """Words of a route and what each says; ``onlink`` says it alone."""
    found: dict[str, Any] = {}
    left = iter(words)
    for word in left:
        argument = True if word == "onlink" else next(left, "")
        if word not in known or word in found or not argument:
            hint = "write 'default via 10.0.0.1' or '10.1.0.0/16 dev eth0 metric 5'"
            if known == _HOP_WORDS:
                hint = "write '10.1.0.0/16 metric 5 nexthop via 10.0.1.1 nexthop via 10.0.2.1'"
            message = f"{shortened(route)} is not a route: {shortened(word)} does not fit there"
            raise refusal("bad-route", message, text=route, hint=hint)
        found[word] = argument if argument is True else _number_or_text(word, argument)
    return found


def policy(value: Any) -> Any:
    """``from 10.0.0.0/24 lookup 100`` is its parts, as ``ip rule`` reads it."""
    if not isinstance(value, str):
        return _mapping_or(value, "a text like 'from 10.0.0.0/24 lookup 100'")
    found: dict[str, Any] = {}
    words = iter(value.split())
    for word in words:
        key = "action" if word in _POLICY_ACTIONS else _POLICY_WORDS.get(word)
        argument = word if key == "action" else next(words, "")
        if key is None or key in found or not argument:
            hint = "write 'from 10.0.0.0/24 lookup 100 priority 1000'"
            message = f"{shortened(value)} is no rule: {shortened(word)} does not fit there"
            raise refusal("bad-policy", message, text=value, hint=hint)
        found[key] = _number_or_text(key, argument)
    return found


def _number_or_text(word: str, argument: str) -> int | str:
    """What is no number though it must be one is refused here: its key stands in no file."""
    if word in _NUMBERS and re.fullmatch(r"[0-9]+", argument, re.ASCII):
        if len(argument) > _LONGEST:
            hint = f"no number here has more than {_LONGEST} digits"
            message = f"{word!r} cannot be {shortened(argument)}"
            raise refusal("out-of-range", message, text=argument, hint=hint)
        return int(argument)
    if word in ("metric", "priority", "weight"):
        message = f"{word!r} must be a whole number, not {shortened(argument)}"
        raise refusal("wrong-type", message, text=argument)
    if word in ("table", "lookup") and argument not in _TABLES:
        message = f"{word!r} must be a table's number, or main, default or local"
        message += f", not {shortened(argument)}"
        raise refusal("wrong-type", message, text=argument)
    return argument


def table(value: Any) -> Any:
    """``main`` is the number that it stands for."""
    if isinstance(value, bool) or not (isinstance(value, int) or value in _TABLES):
        raise wanted("a table's number, or main, default or local")
    return _TABLES.get(value, value)


def mark(value: Any) -> Any:
    """``0x10/0xff`` is a mark and the bits of it that count; ``16`` a mark alone."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not (isinstance(value, str) and _MARK.fullmatch(value)):
        raise wanted("a mark, such as 1 or 0x10/0xff")
    return value


def show(value: Any) -> Any:
    """``neighbours`` and ``[neighbours, fdb]`` are ``{what: [...]}``."""
    if isinstance(value, str | list):
        return {"what": value}
    return _mapping_or(value, "a table's name, a list of names")


def ping(value: Any) -> Any:
    """``ns1 -> ns2`` is ``{from: ns1, to: ns2}``."""
    if not isinstance(value, str):
        return _mapping_or(value, "a text like 'ns1 -> ns2'")
    match = _PING.fullmatch(value)
    if match is None:
        hint = "write 'ns1 -> ns2', or {from: ns1, to: ns2, count: 3}"
        raise refusal("bad-ping", f"{shortened(value)} is not a ping", text=value, hint=hint)
    return {"from": match["source"], "to": match["target"]}


def process(value: Any) -> Any:
    """``python3 -m http.server`` is ``{command: python3 -m http.server}``."""
    if isinstance(value, str):
        return {"command": value}
    return _mapping_or(value, "a text like 'python3 -m http.server 80'")


def command(value: Any) -> Any:
    """``nginx -g "daemon off;"`` is ``[nginx, -g, "daemon off;"]``: words, for no shell."""
    if not isinstance(value, str):
        return one_or_many(value)
    try:
        return shlex.split(value)
    except ValueError as error:
        message = f"{shortened(value)} cannot be split into words: {error}"
        raise refusal("bad-command", message, text=value, hint="close the quote") from None


def one_condition(value: Any) -> Any:
    """A process is ready by one condition. Other keys pass: they are another mistake."""
    if not isinstance(value, dict):
        raise wanted("a mapping like {tcp: 80}")
    given = [name for name in ("tcp", "log", "command") if name in value]
    if len(given) > 1:
        hint = "write a command that tries all of it"
        message = f"a process is ready by one condition, and this names {' and '.join(given)}"
        raise refusal("one-key", message, hint=hint)
    if not given and value.keys() <= {"timeout"}:
        hint = "write {tcp: 80}, {log: REGEX} or {command: …}"
        message = "'ready' needs one of the keys 'tcp', 'log' and 'command'"
        raise refusal("missing-key", message, hint=hint)
    return value


def text_value(value: Any) -> Any:
    """``80`` is the text that a program reads; true and false may mean many."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise wanted("a text or a whole number")
    return str(value)


def drop(value: Any) -> Any:
    """``rule-drop`` is ``{cause: rule-drop}``."""
    if isinstance(value, str):
        return {"cause": value}
    if value == {}:
        hint = "write 'rule-drop', or {cause: rule-drop, at: host}"
        raise refusal("missing-key", "a drop needs a cause or a place", hint=hint)
    return _mapping_or(value, "a cause such as 'rule-drop'")


def sysctl_value(value: Any) -> Any:
    """``0`` is the text the kernel reads; true and false are not."""
    if isinstance(value, bool):
        hint = f"write {int(value)}"
        message = "the kernel reads numbers, not true and false"
        raise refusal("bad-sysctl", message, text=str(value).lower(), hint=hint)
    if not isinstance(value, int | str):
        raise wanted("a number or a text")
    return str(value)


def one_key(value: Any) -> Any:
    """A step of the story is a mapping of one key."""
    if isinstance(value, dict) and len(value) != 1:
        hint = "begin each step with '- '"
        message = f"a step does one thing, and this one has {len(value)} keys"
        raise refusal("one-key", message, hint=hint)
    if isinstance(value, dict) and None in value.values():
        (name,) = value
        hint = "write what it is about, or remove the line"
        raise refusal("wrong-type", f"nothing stands behind {name!r}", hint=hint, at=(name,))
    return value


def device_text(value: str) -> str:
    """A device in the story is written with its node."""
    node, slash, dev = value.partition("/")
    if not (node and slash and dev) or "/" in dev:
        message = f"{shortened(value)} does not name a device of a node"
        raise refusal("bad-device", message, text=value, hint="write NODE/DEVICE, as host/br0")
    return value


def _mapping_or(value: Any, others: str) -> Any:
    if not isinstance(value, dict):
        raise wanted(f"{others}, or a mapping")
    return value
