"""What every part of the schema is made of; knows none of them."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from hopscope.model.limits import Limits
from hopscope.spec import short

__all__ = ["Part", "Texts", "within"]


def within(limits: Limits) -> dict[str, Any]:
    """For editors; the rule itself is `check`'s, so that labs made in Python obey it too."""
    low = "exclusiveMinimum" if limits.above else "minimum"
    return {low: limits.low, "maximum": limits.high}


class Part(BaseModel):
    """A mapping of known keys, each of its type."""

    # built as parts of Lab, not each on its own: importing takes half the time
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", strict=True, frozen=True, defer_build=True
    )


Texts = Annotated[
    list[str], BeforeValidator(short.one_or_many, json_schema_input_type=str | list[str])
]
"""One text, or a list of them."""
