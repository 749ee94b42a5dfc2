"""What ``nft --json --stateless list table`` tells, as texts to compare; no program, no socket."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["objects"]

_PASSING: Final = frozenset({"handle", "index", "used", "expires"})
"""What changes by itself, or by the order in which things were made."""
_COUNTED: Final = frozenset({"packets", "bytes"})
_MOVING: Final = frozenset({"dynamic", "timeout"})
"""Flags of sets whose elements come and go with packets and time."""


def objects(listing: str) -> tuple[str, ...]:
    """The tables, chains, rules, sets and all else, each as JSON of what was declared of it.

    Rules and chains stay in their order.
    """
    items = json.loads(listing)["nftables"]
    return tuple(json.dumps(kept, sort_keys=True) for kept in _kept(items))


def _kept(items: list[Mapping[str, Any]]) -> Iterator[object]:
    for item in items:
        for kind, body in item.items():
            if kind != "metainfo":
                yield _settled({kind: _still(body)})


def _still(body: Any) -> Any:
    """A set without the elements that packets put into it; the order of others means nothing."""
    if not isinstance(body, Mapping) or "elem" not in body:
        return body
    if _MOVING.intersection(body.get("flags", ())):
        return {key: value for key, value in body.items() if key != "elem"}
    elements = sorted(body["elem"], key=lambda one: json.dumps(_settled(one), sort_keys=True))
    return {**body, "elem": elements}


def _settled(value: Any, passing: frozenset[str] = _PASSING) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _settled(one, _PASSING | _COUNTED if key == "counter" else _PASSING)
            for key, one in value.items()
            if key not in passing
        }
    return [_settled(one) for one in value] if isinstance(value, list) else value
