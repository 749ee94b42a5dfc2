"""What a lab file may say of devices that are no end of a link: macvlan, vxlan, tap."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from hopscope.model.limits import MTU, QUEUES, UDP_PORT, VNI
from hopscope.spec import short
from hopscope.spec.network import Port
from hopscope.spec.part import Part, Texts, within
from hopscope.spec.refusals import refusal
from hopscope.spec.trafficparts import Sending

__all__ = ["Device", "Over"]

_ONLY: Final = {
    **dict.fromkeys(("id", "local", "remote", "port", "mac_learning", "fdb"), ("vxlan",)),
    "mode": ("macvlan",),
    "over": ("macvlan", "vxlan"),
    "queues": ("macvlan", "vxlan"),
}
"""Keys that not every kind has."""
_NEEDED: Final = {"macvlan": "over", "vxlan": "id"}


class Over(Part):
    """The text that names a device, perhaps of another node, in its parts."""

    node: str | None = None
    dev: str


class _Device(Part):
    kind: Literal["macvlan", "vxlan", "tap"] = Field(description="What it is.")
    over: Annotated[Over | None, BeforeValidator(short.over, json_schema_input_type=str | None)] = (
        Field(
            default=None,
            description="The device it lies over: DEVICE, or NODE:DEVICE; a macvlan needs one.",
            examples=["host:up0"],
        )
    )
    mode: Literal["bridge", "private", "vepa", "passthru"] = Field(
        default="bridge", description="Of a macvlan: whom among its like it reaches."
    )
    id: int | None = Field(
        default=None,
        description="Of a vxlan, needed: the number of its network (VNI).",
        examples=[42],
        json_schema_extra=within(VNI),
    )
    local: str | None = Field(
        default=None,
        description="Of a vxlan: the address that its packets come from.",
        examples=["10.0.0.1"],
    )
    remote: str | None = Field(
        default=None,
        description="Of a vxlan: where frames for unknown addresses go.",
        examples=["10.0.0.2"],
    )
    port: int = Field(
        default=4789, description="Of a vxlan: its UDP port.", json_schema_extra=within(UDP_PORT)
    )
    mac_learning: bool = Field(
        default=True, description="Of a vxlan: learn which remote an address is behind."
    )
    fdb: dict[str, Texts] = Field(
        default={},
        description="Of a vxlan: MAC address → its remote, or several; 00:00:00:00:00:00 stands "
        "for all unknown ones.",
        examples=[{"00:00:00:00:00:00": ["10.0.0.2", "10.0.0.3"]}],
    )
    bridge: str | None = Field(
        default=None, description="The bridge that it is a port of.", examples=["br0"]
    )
    mac: str | None = Field(
        default=None,
        description="MAC address; chosen from the names when left out.",
        examples=["02:00:00:00:00:02"],
    )
    mtu: int | None = Field(
        default=None, description="MTU in bytes.", examples=[1450], json_schema_extra=within(MTU)
    )
    queues: int = Field(
        default=1, description="Queues for sending.", json_schema_extra=within(QUEUES)
    )


class Device(Sending, Port, _Device):
    """A device of a node that is no end of a link."""

    @model_validator(mode="after")
    def _keys_are_of_the_kind(self) -> "Device":
        for key in self.model_fields_set:
            kinds = _ONLY.get(key, (self.kind,))
            if self.kind not in kinds:
                message = f"a {self.kind} has no {key!r}"
                hint = f"that is for {' and '.join(kinds)}"
                raise refusal("unknown-key", message, text=key, hint=hint, at=(key,), key=True)
        needed = _NEEDED.get(self.kind)
        if needed is not None and getattr(self, needed) is None:
            message = f"a {self.kind} needs the key {needed!r}"
            raise refusal("missing-key", message, text=needed)
        return self
