"""JSON both ways for records, and the JSON Schema of that form.

The form is the dataclasses field by field; bytes are base64. Unknown versions are refused.
"""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from hopscope.errors import UsageError
from hopscope.model.record import VERSION, Record

__all__ = ["dump", "dump_part", "load", "schema"]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def dump(record: Record, *, indent: int | None = None) -> bytes:
    """The record as UTF-8 JSON."""
    return _adapter(Record).dump_json(record, indent=indent)


def dump_part(value: object) -> Any:
    """Any value of `model` as plain JSON data (dicts, lists, strings, numbers)."""
    return _adapter(type(value)).dump_python(value, mode="json")


def load(text: bytes | str) -> Record:
    """The record that `dump` wrote; UsageError when it is of another version."""
    version = json.loads(text).get("version")
    if version != VERSION:
        message = f"this record has version {version!r}; this hopscope reads version {VERSION}"
        raise UsageError(message)
    record: Record = _adapter(Record).validate_json(text)
    return record


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record."""
    return _adapter(Record).json_schema(mode="serialization")
