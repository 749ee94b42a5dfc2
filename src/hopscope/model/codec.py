"""JSON both ways for records, one way for reachability, and the JSON Schemas of both.

The form is the records field by field; bytes are base64, and where there are several kinds
of a thing, ``kind`` or ``event`` says which. Unknown versions are refused, and so is what
`dump` could not have written.
"""

import json
import re
from inspect import cleandoc
from typing import Any, Final

import msgspec

from hopscope.errors import UsageError
from hopscope.model.reachability import Reachability
from hopscope.model.record import VERSION, Record

__all__ = ["dump", "dump_part", "load", "schema"]

_PLACE: Final = re.compile(r"(?P<why>.*?)(?: - at `\$(?P<where>.*)`)?$", re.DOTALL)


def dump(record: Record | Reachability, *, indent: int | None = None) -> bytes:
    """The record as UTF-8 JSON."""
    text = msgspec.json.encode(record)
    return text if indent is None else msgspec.json.format(text, indent=indent)


def dump_part(value: Any) -> Any:
    """Any value of `model` as plain JSON data (dicts, lists, strings, numbers)."""
    return msgspec.json.decode(msgspec.json.encode(value))


def load(text: bytes | str) -> Record:
    """The record that `dump` wrote; UsageError when it is of another version, or none."""
    version = _version(text)
    if version != VERSION:
        message = f"this record has version {version!r}; this hopscope reads version {VERSION}"
        raise UsageError(message)
    try:
        return msgspec.json.decode(text, type=Record)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _no_record(_complaint(str(error))) from error


def schema(of: type[Record] | type[Reachability] = Record) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record, or of the other document."""
    parts = msgspec.json.schema(of)["$defs"]
    for part in parts.values():
        part["description"] = cleandoc(part["description"])
    whole = parts.pop(of.__name__)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "$defs": parts}


def _complaint(said: str) -> str:
    """``at initial.nodes[0].name: Expected `str`, got `int```."""
    found = _PLACE.fullmatch(said)
    if found is None or not found["where"]:
        return said
    return f"at {found['where'].removeprefix('.')}: {found['why']}"


def _version(text: bytes | str) -> object:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested without end
        raise _no_record(str(error)) from error
    if not isinstance(data, dict):
        raise _no_record("it is no JSON object")
    return data.get("version")


def _no_record(why: str) -> UsageError:
    return UsageError(f"this is not a record of a run: {why}; a run writes one, journeys.json")
