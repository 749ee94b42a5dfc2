"""How many, as a lab file writes it: 3, or 1+ for at least 1."""

import re
from typing import Annotated, Any, Final

from pydantic import Field

from hopscope.model.lab import Count
from hopscope.spec.faults import shortened
from hopscope.spec.refusals import refusal, wanted

__all__ = ["CountText", "count_text", "counted"]

_COUNT: Final = re.compile(r"([0-9]{1,18})(\+?)", re.ASCII)

CountText = Annotated[str, Field(pattern=r"^[0-9]{1,18}\+?$")]
"""For editors."""


def count_text(value: Any) -> str:
    """``3`` and ``1+``, as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise wanted("a number, or a text like '1+'")
    text = str(value)
    if _COUNT.fullmatch(text) is None:
        message = f"{shortened(text)} is not a number of packets"
        raise refusal("bad-count", message, text=text, hint="write 2, or 1+ for at least 1")
    return text


def counted(text: str) -> Count:
    """A number, or at least that; of what `count_text` let pass."""
    number = int(text.removesuffix("+"))
    return Count(least=number, most=None if text.endswith("+") else number)
