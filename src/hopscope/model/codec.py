"""JSON both ways for records, and the JSON Schema of that form.

The form is the dataclasses field by field; bytes are base64. Unknown versions are refused,
and so is whatever else `dump` did not write.
"""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hopscope.errors import UsageError
from hopscope.model.record import VERSION, Record

__all__ = ["dump", "dump_part", "load", "prepare", "schema"]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def prepare() -> None:
    """Build what `dump` and `load` need; they do so themselves when it is not there."""
    _adapter(Record)


def dump(record: Record, *, indent: int | None = None) -> bytes:
    """The record as UTF-8 JSON."""
    return _adapter(Record).dump_json(record, indent=indent)


def dump_part(value: Any) -> Any:
    """Any value of `model` as plain JSON data (dicts, lists, strings, numbers)."""
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json")


def load(text: bytes | str) -> Record:
    """The record that `dump` wrote; UsageError when it is of another version, or none."""
    version = _version(text)
    if version != VERSION:
        message = f"this record has version {version!r}; this hopscope reads version {VERSION}"
        raise UsageError(message)
    try:
        record: Record = _adapter(Record).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _no_record(f"at {where}: {first['msg']}") from error
    return record


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record."""
    made = _adapter(Record).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


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
