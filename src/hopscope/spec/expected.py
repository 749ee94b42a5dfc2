"""What a lab file may expect of a ping and of tables; part of the schema."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from hopscope.model.reasons import REASONS
from hopscope.spec import counts, short, units
from hopscope.spec.part import Part, Texts

__all__ = ["Drop", "PingExpect", "TableExpect"]

_Chains = list[Annotated[str, Field(examples=["host/filter/FORWARD"])]]
_Cause = Annotated[str, Field(json_schema_extra={"enum": list(REASONS)})]
_Device = Annotated[
    str,
    AfterValidator(short.device_text),
    Field(json_schema_extra={"pattern": "^[^/]+/[^/]+$"}),
]
_Duration = Annotated[
    int,
    BeforeValidator(
        units.duration,
        json_schema_input_type=Annotated[
            str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?\s*(ns|us|ms|s)$")
        ],
    ),
]
_Share = Annotated[
    float,
    BeforeValidator(
        units.share,
        json_schema_input_type=Annotated[
            str, Field(pattern=r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,6})?)\s*%$")
        ],
    ),
]
_Count = Annotated[
    str, BeforeValidator(counts.count_text, json_schema_input_type=counts.CountText | int)
]


class Drop(Part):
    """A packet of this ping ends so, in the long form."""

    cause: _Cause | None = Field(
        default=None, description="Why; the codes of a reason.", examples=["rule-drop"]
    )
    at: str | None = Field(
        default=None, description="Where: a node, or NODE/DEVICE.", examples=["host", "host/br0"]
    )


_Drop = Annotated[Drop, BeforeValidator(short.drop, json_schema_input_type=_Cause | Drop)]


class PingExpect(Part):
    """What must be true of this ping."""

    reply: bool | None = Field(
        default=None, description="true: every request is answered; false: none is."
    )
    loss: _Share | None = Field(
        default=None,
        description="The share of requests without a reply is at most this.",
        examples=["0%"],
    )
    latency: _Duration | None = Field(
        default=None,
        description="Each reply comes within this time of its request; and one comes.",
        examples=["5ms"],
    )
    path: list[str] = Field(
        default=[],
        description="The nodes that each delivered request enters, in order; NODE/DEVICE: by "
        "way of that device; '...': any nodes, or none.",
        examples=[["ns1", "host/br0", "ns2"]],
    )
    drop: _Drop | None = Field(
        default=None,
        description="A packet of this ping ends for this cause, and there.",
        examples=["rule-drop", {"at": "host", "cause": "rule-drop"}],
    )
    crosses: _Chains = Field(
        default=[],
        description="Chains that its packets meet, as NODE/TABLE/CHAIN or NODE/FAMILY/TABLE/CHAIN.",
    )
    avoids: _Chains = Field(
        default=[], description="Chains that none of its packets meets, written likewise."
    )
    log: list[str] | None = Field(
        default=None,
        description="The prefixes of the log lines that it causes, in order; [] for none.",
        examples=[[], ["Filter-FORWARD-1-"]],
    )


class TableExpect(Part):
    """What must be true of the tables now."""

    neighbours: dict[str, dict[str, str]] = Field(
        default={},
        description="Node → IP address → the device whose MAC it has (ns2/veth2a), "
        "a MAC address, or 'none'.",
        examples=[{"ns1": {"10.244.1.4": "ns2/veth2a"}}],
    )
    fdb: dict[_Device, dict[str, str]] = Field(
        default={},
        description="NODE/BRIDGE → a device (ns2/veth2a) or MAC address → the port that "
        "leads to it, or 'none'.",
        examples=[{"host/br0": {"ns2/veth2a": "veth2b"}}],
    )
    no_address: list[_Device] = Field(
        default=[], description="Devices that have no IP address.", examples=[["host/br0"]]
    )
    addresses: dict[_Device, Texts] = Field(
        default={},
        description="NODE/DEVICE → addresses that it has, among others perhaps; with the prefix "
        "length or without.",
        examples=[{"ns1/veth1a": "10.244.1.2/24"}],
    )
    routes: dict[str, dict[str, str]] = Field(
        default={},
        description="Node → a network: its entry; or an address: the route that it would take → "
        "'via ADDRESS', 'dev DEVICE', both, a type such as 'blackhole', or 'none'.",
        examples=[{"ns1": {"default": "via 10.244.1.1", "10.9.0.7": "dev veth1a"}}],
    )
    hits: dict[str, _Count] = Field(
        default={},
        description="How many packets rules have counted: a log prefix, a chain (the sum of its "
        "rules), or NODE/TABLE/CHAIN/N for its rule N → the number, or '1+' for at least 1.",
        examples=[{"host/filter/FORWARD": 2, "Filter-FORWARD-1-": "1+"}],
    )
