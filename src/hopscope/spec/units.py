"""Rates, times, sizes and shares as ``tc`` writes them, turned into numbers; knows no lab."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import PydanticCustomError

from hopscope.spec.faults import shortened
from hopscope.spec.refusals import refusal

__all__ = ["duration", "rate", "rate_parts", "share", "size"]

_NUMBER: Final = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,6})?)\s*(?P<unit>[A-Za-z%]*)")
_RATES: Final = {"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12}
_TIMES: Final = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
_SIZES: Final = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20}


def rate(value: Any) -> int:
    """``10mbit`` in bits a second."""
    number, unit = _read(value, "bad-rate", "a rate", "10mbit")
    if unit.endswith("bps"):
        bits = unit.replace("bps", "bit")
        hint = f"tc takes {unit} for bytes a second: write {value.lower().replace(unit, bits)}"
        raise refusal("bad-rate", f"{value} may mean bits or bytes", text=value, hint=hint)
    return round(number * _factor(value, unit, _RATES, "bad-rate", "a rate", "10mbit"))


def duration(value: Any) -> int:
    """``20ms`` in nanoseconds."""
    number, unit = _read(value, "bad-time", "a time", "20ms")
    return round(number * _factor(value, unit, _TIMES, "bad-time", "a time", "20ms"))


def size(value: Any) -> int:
    """``32kb`` in bytes; a number is bytes already."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number, unit = _read(value, "bad-size", "a size", "32kb")
    return round(number * _factor(value, unit, _SIZES, "bad-size", "a size", "32kb"))


def share(value: Any) -> float:
    """``1.5%`` in percent."""
    number, unit = _read(value, "bad-share", "a share", "1%")
    if unit != "%" or number > 100:
        raise _refused(value, "bad-share", "a share", "1%")
    return number


def rate_parts(value: Any) -> Any:
    """``10mbit`` is ``{rate: 10mbit}``."""
    return value if isinstance(value, dict) else {"rate": value}


def _read(value: Any, rule: str, what: str, example: str) -> tuple[float, str]:
    match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _refused(value, rule, what, example)
    return float(match["number"]), match["unit"].lower()


def _factor(
    value: Any, unit: str, units: Mapping[str, float], rule: str, what: str, example: str
) -> float:
    if unit not in units:
        raise _refused(value, rule, what, example)
    return units[unit]


def _refused(value: Any, rule: str, what: str, example: str) -> PydanticCustomError:
    text = str(value)
    message = f"{shortened(text)} is not {what} with its unit"
    return refusal(rule, message, text=text, hint=f"write it as {example}")
