"""What a lab file may say of bridges, routes and links; knows no rule that spans parts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hopscope.model.limits import (
    AGEING,
    COST,
    FORWARD_DELAY,
    MTU,
    NEXT_HOPS,
    PRIORITY,
    QUEUES,
    RULE_PRIORITY,
    VID,
    WEIGHT,
)
from hopscope.spec import short
from hopscope.spec.faults import shortened
from hopscope.spec.part import Part, within
from hopscope.spec.refusals import refusal, together
from hopscope.spec.trafficparts import Sending

__all__ = [
    "AnyBridge",
    "AnyLink",
    "AnyPolicy",
    "AnyRoute",
    "Bridge",
    "End",
    "EndName",
    "Link",
    "NextHop",
    "Policy",
    "Port",
    "Route",
    "Vlan",
]


class Vlan(Part):
    """A VLAN of a bridge port, in its long form."""

    vid: int = Field(description="Its number.", examples=[20], json_schema_extra=within(VID))
    pvid: bool = Field(
        default=False, description="What comes in without a tag belongs to this VLAN."
    )
    untagged: bool = Field(default=False, description="It leaves here without its tag.")


_Vlans = Annotated[
    list[Annotated[Vlan, BeforeValidator(short.vlan, json_schema_input_type=int | Vlan)]],
    Field(examples=[[10, {"vid": 20, "pvid": True, "untagged": True}]]),
]


class Bridge(Part):
    """A Linux bridge of a node."""

    nf_call_iptables: bool = Field(
        default=False,
        description="This bridge's own switch: bridged IPv4 packets pass iptables, "
        "whatever net.bridge.bridge-nf-call-iptables says.",
    )
    stp: bool = Field(default=False, description="Run the spanning tree protocol.")
    forward_delay: float | None = Field(
        default=None,
        description="With STP: seconds in each state before a port forwards; 15 when left out.",
        examples=[2],
        json_schema_extra=within(FORWARD_DELAY),
    )
    priority: int | None = Field(
        default=None,
        description="With STP: the lowest becomes the root; 32768 when left out.",
        json_schema_extra=within(PRIORITY),
    )
    ageing: float | None = Field(
        default=None,
        description="Seconds after which what was learnt is forgotten; 300 when left out. "
        "0 makes a hub of it.",
        examples=[30],
        json_schema_extra=within(AGEING),
    )
    fdb: dict[str, str] = Field(
        default={},
        description="Forwarding entries that are there from the start: MAC address → port.",
        examples=[{"02:00:00:00:00:02": "veth1b"}],
    )
    vlan_filtering: bool = Field(
        default=False, description="Keep VLANs apart; see 'vlans' of the ports."
    )
    vlans: _Vlans = Field(
        default=[], description="VLANs that the bridge's own stack is in; 1 when left out."
    )
    mac: str | None = Field(
        default=None,
        description=(
            "MAC address; the lowest of its ports' when left out. "
            "One that was set stays as long as the bridge."
        ),
        examples=["02:00:00:00:00:01"],
    )
    mtu: int | None = Field(
        default=None, description="MTU in bytes.", examples=[1400], json_schema_extra=within(MTU)
    )
    up: bool = Field(default=True, description="Bring the bridge up.")


_TableOfRoutes = Annotated[
    int,
    BeforeValidator(short.table, json_schema_input_type=int | Literal["main", "default", "local"]),
]


class NextHop(Part):
    """One of several next hops of a route, in its long form."""

    via: str | None = Field(default=None, description="The gateway.", examples=["10.0.1.1"])
    dev: str | None = Field(default=None, description="The device.", examples=["eth1"])
    weight: int = Field(
        default=1,
        description="Its share, of the sum of all weights.",
        json_schema_extra=within(WEIGHT),
    )
    onlink: bool = Field(
        default=False, description="The gateway is a neighbour there, whatever the subnets say."
    )


AnyNextHop = Annotated[
    NextHop,
    BeforeValidator(
        short.next_hop,
        json_schema_input_type=Annotated[str, Field(examples=["via 10.0.1.1 weight 2"])] | NextHop,
    ),
]


class Route(Part):
    """A route, in its long form."""

    to: str = Field(description="'default', or a network.", examples=["default", "10.1.0.0/16"])
    type: Literal["unicast", "blackhole", "unreachable", "prohibit", "throw"] = Field(
        default="unicast", description="What becomes of the packets; all but unicast lead nowhere."
    )
    via: str | None = Field(default=None, description="The gateway.", examples=["10.244.1.1"])
    dev: str | None = Field(default=None, description="The device.", examples=["veth1a"])
    onlink: bool = Field(
        default=False, description="The gateway is a neighbour there, whatever the subnets say."
    )
    nexthops: list[AnyNextHop] = Field(
        default=[],
        description="Several gateways, instead of 'via' and 'dev': each takes its share of flows; "
        f"at most {NEXT_HOPS.high}.",
        examples=[["via 10.0.1.1", "via 10.0.2.1 weight 2"]],
        json_schema_extra={"maxItems": NEXT_HOPS.high},
    )
    src: str | None = Field(
        default=None,
        description="The address that the node then sends from.",
        examples=["10.0.0.1"],
    )
    metric: int | None = Field(default=None, description="Lower wins.")
    table: _TableOfRoutes | None = Field(
        default=None, description="The table that it stands in; main when left out.", examples=[100]
    )


class Policy(Part):
    """A routing policy rule, in its long form."""

    source: str | None = Field(
        default=None, alias="from", description="Source: a network.", examples=["10.0.0.0/24"]
    )
    to: str | None = Field(
        default=None, description="Destination: a network.", examples=["10.9.0.0/16"]
    )
    iif: str | None = Field(
        default=None, description="The device it came in by; lo: the node's own.", examples=["eth0"]
    )
    oif: str | None = Field(
        default=None, description="The device that its sender is bound to.", examples=["eth1"]
    )
    fwmark: Annotated[str | None, BeforeValidator(short.mark, json_schema_input_type=str | int)] = (
        Field(
            default=None, description="The mark that the firewall gave it.", examples=["0x10/0xff"]
        )
    )
    lookup: _TableOfRoutes | None = Field(
        default=None, description="The table to look in: its number, or main.", examples=[100]
    )
    action: Literal["blackhole", "unreachable", "prohibit"] | None = Field(
        default=None, description="What becomes of the packets, instead of 'lookup'."
    )
    priority: int | None = Field(
        default=None,
        description="Lower is asked first; left out, rules are asked in order, before main.",
        examples=[1000],
        json_schema_extra=within(RULE_PRIORITY),
    )


AnyBridge = Annotated[
    Bridge, BeforeValidator(short.empty_when_null, json_schema_input_type=Bridge | None)
]
AnyRoute = Annotated[
    Route,
    BeforeValidator(
        short.route,
        json_schema_input_type=Annotated[str, Field(examples=["default via 10.244.1.1"])] | Route,
    ),
]


AnyPolicy = Annotated[
    Policy,
    BeforeValidator(
        short.policy,
        json_schema_input_type=Annotated[str, Field(examples=["from 10.0.0.0/24 lookup 100"])]
        | Policy,
    ),
]


class Port(Part):
    """What can be set of a port of a bridge."""

    hairpin: bool = Field(
        default=False, description="Of a port: frames may leave by it that came in by it."
    )
    isolated: bool = Field(
        default=False, description="Of a port: nothing passes between it and other isolated ones."
    )
    learning: bool = Field(
        default=True, description="Of a port: the bridge learns which addresses are behind it."
    )
    flood: bool = Field(
        default=True, description="Of a port: frames for unknown addresses leave by it too."
    )
    cost: int | None = Field(
        default=None,
        description="Of a port: what a path through it costs, for STP.",
        json_schema_extra=within(COST),
    )
    vlans: _Vlans = Field(
        default=[],
        description="Of a port: all the VLANs that it is in; 1, untagged, when left out.",
    )


class EndName(Part):
    """The text that names an end, in its parts."""

    node: str
    dev: str
    bridge: str | None = None


_EndText = Annotated[
    str,
    Field(
        description="NODE:DEVICE, or NODE:DEVICE@BRIDGE for a port of a bridge.",
        pattern=r"^[^:@/\s]+:[^:@\s]+(@[^:@\s]+)?$",
        examples=["ns1:veth1a", "host:veth1b@br0"],
    ),
]


class _End(Part):
    end: Annotated[EndName, BeforeValidator(short.end_name, json_schema_input_type=_EndText)] = (
        Field(
            description="NODE:DEVICE, or NODE:DEVICE@BRIDGE for a port of a bridge.",
            examples=["host:veth1b@br0"],
        )
    )
    mac: str | None = Field(
        default=None,
        description="MAC address; chosen from the names when left out.",
        examples=["02:00:00:00:00:02"],
    )
    queues: int | None = Field(
        default=None,
        description="Queues for sending and receiving; 1 when left out.",
        json_schema_extra=within(QUEUES),
    )


class End(Sending, Port, _End):
    """An end of a link, in its long form."""


_AnyEnd = Annotated[End, BeforeValidator(short.link_end, json_schema_input_type=_EndText | End)]
_TwoEnds = Annotated[list[_EndText | End], Field(min_length=2, max_length=2)]


def _two(ends: list[End]) -> list[End]:
    if len(ends) != 2:
        hint = "write [ns1:veth1a, host:veth1b@br0]"
        raise refusal("bad-link", f"a link has two ends, and this has {len(ends)}", hint=hint)
    return ends


class _Link(Part):
    ends: Annotated[
        list[_AnyEnd],
        AfterValidator(_two),
        Field(json_schema_extra={"minItems": 2, "maxItems": 2}),
    ] = Field(description="The two devices.", examples=[["ns1:veth1a", "host:veth1b@br0"]])
    mtu: int | None = Field(
        default=None,
        description="MTU of both ends, in bytes.",
        examples=[1400],
        json_schema_extra=within(MTU),
    )
    mac: dict[str, str] = Field(
        default={},
        description="MAC addresses, by end; chosen from the names when left out.",
        examples=[{"ns1:veth1a": "02:00:00:00:00:02"}],
    )
    queues: int | None = Field(
        default=None,
        description="Queues of both ends; 1 when left out.",
        examples=[4],
        json_schema_extra=within(QUEUES),
    )


class Link(Sending, _Link):
    """A veth pair, in its long form."""

    @model_validator(mode="after")
    def _macs_are_of_ends(self) -> "Link":
        names = {f"{one.end.node}:{one.end.dev}": one for one in self.ends}
        wrong: list[PydanticCustomError] = []
        for name in self.mac:
            at = ("mac", name)
            if name not in names:
                hint = f"the ends are {' and '.join(names)}"
                message = f"{shortened(name)} is not an end of this link"
                wrong.append(
                    refusal("unknown-device", message, text=name, hint=hint, at=at, key=True)
                )
            elif names[name].mac is not None:
                message = f"the MAC address of {name!r} stands at the end itself already"
                wrong.append(refusal("duplicate-mac", message, text=name, at=at, key=True))
        if wrong:
            raise together(wrong)
        return self


AnyLink = Annotated[Link, BeforeValidator(short.link, json_schema_input_type=_TwoEnds | Link)]
