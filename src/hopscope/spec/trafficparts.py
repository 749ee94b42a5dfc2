"""What a lab file may say of how a device holds back what it sends."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hopscope.spec import units
from hopscope.spec.part import Part

__all__ = ["Rate", "Sending"]

_Rate = Annotated[
    int,
    BeforeValidator(units.rate, json_schema_input_type=str),
    Field(examples=["10mbit"]),
]
_Time = Annotated[int, BeforeValidator(units.duration, json_schema_input_type=str)]
_Size = Annotated[int, BeforeValidator(units.size, json_schema_input_type=str | int)]
_Share = Annotated[float, BeforeValidator(units.share, json_schema_input_type=str)]


class Rate(Part):
    """A limited rate, in its long form."""

    rate: _Rate = Field(description="Bits a second, with their unit.", examples=["10mbit"])
    kind: Literal["tbf", "htb"] = Field(
        default="tbf", description="A token bucket, or one that may borrow up to 'ceil'."
    )
    ceil: _Rate | None = Field(
        default=None, description="Of htb: the most it may borrow.", examples=["20mbit"]
    )
    burst: _Size | None = Field(
        default=None,
        description="What may leave at once; what the rate sends in 10 ms when left out, "
        "and two packets at least.",
        examples=["32kb"],
    )
    latency: _Time | None = Field(
        default=None,
        description="Of tbf: how long a packet may wait; 50ms when left out.",
        examples=["100ms"],
    )


class Sending(Part):
    """What can be set of a device's sending."""

    rate: Annotated[
        Rate | None,
        BeforeValidator(units.rate_parts, json_schema_input_type=str | Rate | None),
    ] = Field(default=None, description="The most that it sends.", examples=["10mbit"])
    delay: _Time | None = Field(
        default=None, description="How much later what it sends leaves.", examples=["20ms"]
    )
    jitter: _Time | None = Field(
        default=None, description="By how much the delay varies.", examples=["2ms"]
    )
    loss: _Share | None = Field(
        default=None, description="The share of packets that are lost.", examples=["1%"]
    )
    duplicate: _Share | None = Field(
        default=None, description="The share that leaves twice.", examples=["1%"]
    )
    corrupt: _Share | None = Field(
        default=None, description="The share in which a bit is changed.", examples=["0.1%"]
    )
    reorder: _Share | None = Field(
        default=None, description="The share that is sent without the delay.", examples=["25%"]
    )
