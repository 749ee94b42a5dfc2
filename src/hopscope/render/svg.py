"""Elements of SVG as text, with everything that comes from outside escaped."""

from collections.abc import Sequence
from html import escape

__all__ = ["Number", "clean", "element", "path", "text_width"]

Number = int | float
_WIDE = 0x1100  # from Hangul on, most characters are two columns wide


def clean(text: str) -> str:
    """The text without what XML forbids: control characters become U+FFFD."""
    return "".join(c if c.isprintable() or c in " \n" else "\ufffd" for c in text)


def element(name: str, *inside: str, **attributes: str | Number | None) -> str:
    """An element; *inside* is markup already. ``class_`` is class, ``_`` in a name is ``-``."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(inside)
    return f"<{name}{told}>{body}</{name}>" if body else f"<{name}{told}/>"


def _value(value: str | Number) -> str:
    return f"{value:g}" if isinstance(value, int | float) else escape(clean(value))


def text_width(text: str, size: float, *, mono: bool = False) -> float:
    """About how wide a text is set, in pixels; generous rather than tight."""
    columns = sum(2 if ord(c) >= _WIDE else 1 for c in text)
    return columns * size * (0.615 if mono else 0.58)


def path(points: Sequence[tuple[Number, Number]]) -> str:
    """The ``d`` of a line through the points."""
    return "M" + " L".join(f"{x:g},{y:g}" for x, y in points)
