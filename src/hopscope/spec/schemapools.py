"""What a lab file may say of addresses and of the pools that they are drawn from."""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hopscope.spec import short
from hopscope.spec.part import Part, Texts

__all__ = ["Address", "Addresses", "NamedPool", "Pool"]


class Address(Part):
    """An address of a device, in its long form: given, or drawn from a pool."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"minProperties": 1, "maxProperties": 1}
    )

    cidr: str = Field(
        default="",
        description="The address with its prefix length.",
        examples=["10.244.1.2/24"],
    )
    pool: str = Field(
        default="",
        description="Draw it from this pool: the name of one, or a range.",
        examples=["pods", "10.244.0.0/16"],
    )

    @model_validator(mode="before")
    @classmethod
    def _one_origin(cls, given: Any) -> Any:
        return short.one_origin(given)


class Pool(Part):
    """A pool that addresses are drawn from, in its long form."""

    range: str = Field(description="The range, as a network.", examples=["10.244.0.0/16"])
    reserved: Texts = Field(
        default=[],
        description="Addresses and networks within it that are never drawn.",
        examples=[["10.244.0.1", "10.244.0.0/28"]],
    )
    prefix: int | None = Field(
        default=None,
        description="The prefix length that the addresses get; the range's when left out.",
        examples=[24],
    )


NamedPool = Annotated[
    Pool,
    BeforeValidator(
        short.pool,
        json_schema_input_type=Annotated[str, Field(examples=["10.244.0.0/16"])] | Pool,
    ),
]
"""A pool; its range stands for it."""


_Address = Annotated[Address, BeforeValidator(short.address, json_schema_input_type=str | Address)]
Addresses = Annotated[
    list[_Address],
    BeforeValidator(
        short.one_or_several, json_schema_input_type=str | Address | list[str | Address]
    ),
]
"""The addresses of a device; one stands for a list of it."""
