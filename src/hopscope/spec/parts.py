"""What every part of the lab file's schema is made from: the base of them, and common values."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from hopscope.model.limits import Limits
from hopscope.spec import short

__all__ = ["Part", "Texts", "within"]


class Part(BaseModel):
    """A mapping of the lab file; no other keys than those named."""

    # built as parts of Lab, not each on its own: importing takes half the time
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


Texts = Annotated[
    list[str], BeforeValidator(short.one_or_many, json_schema_input_type=str | list[str])
]
"""A text, or a list of them."""


def within(limits: Limits) -> dict[str, Any]:
    """For editors; the rule itself is `check`'s, so that labs made in Python obey it too."""
    low = "exclusiveMinimum" if limits.above else "minimum"
    return {low: limits.low, "maximum": limits.high}
