"""What a lab file may hold, part by part; knows no positions, and no rule that spans parts."""

from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hopscope.model.lab import TABLES
from hopscope.model.limits import COUNT, REPLICAS, SIZE, TIMEOUT
from hopscope.spec import short
from hopscope.spec.devices import Device
from hopscope.spec.expected import PingExpect, TableExpect
from hopscope.spec.network import AnyBridge, AnyLink, AnyPolicy, AnyRoute, Bridge
from hopscope.spec.part import Part, Texts, within
from hopscope.spec.schemapools import Addresses, NamedPool
from hopscope.spec.schemarun import Processes

__all__ = [
    "Lab",
    "Node",
    "Ping",
    "Show",
    "Step",
    "json_schema",
]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the lab file, for editors: it completes and explains."""
    made = Lab.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": DIALECT, **made, "title": "hopscope lab"}


_LINES = Annotated[
    list[str],
    Field(examples=[["-t nat -A POSTROUTING -s 10.244.0.0/16 -o eth0 -j MASQUERADE"]]),
]
_SysctlValue = Annotated[str, BeforeValidator(short.sysctl_value, json_schema_input_type=str | int)]
_Sysctls = dict[str, _SysctlValue]
_Table = Annotated[str, Field(json_schema_extra={"enum": list(TABLES)})]


class Node(Part):
    """One network namespace. 'host' is by convention the one with the bridges."""

    count: int | None = Field(
        default=None,
        description="Make so many of it: pod1, pod2 and so on, for a node named pod.",
        examples=[200],
        json_schema_extra=within(REPLICAS),
    )
    bridges: Annotated[
        dict[str, AnyBridge],
        BeforeValidator(short.bridges, json_schema_input_type=list[str] | dict[str, Bridge | None]),
    ] = Field(
        default={},
        description="Its bridges; a bridge without an address forwards in layer 2 only.",
        examples=[["br0"], {"br0": {"stp": True}}],
    )
    devices: dict[str, Device] = Field(
        default={},
        description="Devices that are no end of a link: macvlan, vxlan, tap.",
        examples=[{"vx0": {"kind": "vxlan", "id": 42, "remote": "10.0.0.2", "bridge": "br0"}}],
    )
    addresses: dict[str, Addresses] = Field(
        default={},
        description="Device → its address, or a list of them: each with its prefix length, "
        "or {pool: …} to draw it.",
        examples=[{"veth1a": "10.244.1.2/24"}, {"eth0": {"pool": "10.244.0.0/16"}}],
    )
    routes: list[AnyRoute] = Field(
        default=[],
        description="Routes beyond those that the addresses bring along.",
        examples=[["default via 10.244.1.1"]],
    )
    policy: list[AnyPolicy] = Field(
        default=[],
        description="Routing policy rules: which table is asked for which packets.",
        examples=[["from 10.0.0.0/24 lookup 100 priority 1000"]],
    )
    neighbours: dict[str, dict[str, str]] = Field(
        default={},
        description="Permanent ARP or ND entries: device → IP address → MAC address.",
        examples=[{"veth1a": {"10.244.1.4": "02:00:00:00:00:04"}}],
    )
    sysctls: _Sysctls = Field(
        default={},
        description="Sysctls below net., set inside this namespace only.",
        examples=[{"net.ipv4.ip_forward": 1}],
    )
    iptables: _LINES = Field(
        default=[], description="Lines of iptables arguments, applied in order."
    )
    ip6tables: _LINES = Field(
        default=[], description="Lines of ip6tables arguments, applied in order."
    )
    nft: str | None = Field(default=None, description="A whole nft script.")
    lo: bool = Field(default=True, description="Bring up the loopback device.")
    dad: bool = Field(
        default=False,
        description="Detect duplicates of its IPv6 addresses, as hosts do; it takes two seconds.",
    )
    down: list[str] = Field(default=[], description="Devices to leave down.", examples=[["veth1a"]])
    run: Processes = Field(
        default=[],
        description="Processes that it runs as long as the lab stands.",
        examples=[["python3 -m http.server 80"]],
    )


class Show(Part):
    """Print tables, in the long form."""

    what: Annotated[
        list[_Table],
        BeforeValidator(short.one_or_many, json_schema_input_type=_Table | list[_Table]),
    ] = Field(description="Which tables.", examples=[["neighbours", "fdb"]])
    nodes: Texts = Field(default=[], description="Of which nodes; all when left out.")


class Ping(Part):
    """Send echo requests and trace them, in the long form."""

    source: str = Field(alias="from", description="The node that sends.", examples=["ns1"])
    target: str = Field(
        alias="to", description="A node, or an IP address.", examples=["ns2", "10.244.1.4"]
    )
    count: int = Field(default=1, description="How many requests.", json_schema_extra=within(COUNT))
    size: int = Field(
        default=56, description="Payload of each, in bytes.", json_schema_extra=within(SIZE)
    )
    timeout: float = Field(
        default=1.0,
        description="Seconds to wait for each reply.",
        json_schema_extra=within(TIMEOUT),
    )
    expect: PingExpect | None = Field(default=None, description="What must be true of it.")


_Show = Annotated[
    Show,
    BeforeValidator(short.show, json_schema_input_type=_Table | list[_Table] | Show),
]
_PingText = Annotated[
    str, Field(pattern=r"^\s*[^\s>]+\s*->\s*[^\s>]+\s*$", examples=["ns1 -> ns2"])
]
_Ping = Annotated[Ping, BeforeValidator(short.ping, json_schema_input_type=_PingText | Ping)]
_RulesOf = dict[str, _LINES]


class Step(Part):
    """One step of the story; exactly one of these keys."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"minProperties": 1, "maxProperties": 1}
    )

    show: _Show | None = Field(default=None, description="Print tables.")
    ping: _Ping | None = Field(default=None, description="Send echo requests and trace them.")
    set_: dict[str, _Sysctls] | None = Field(
        default=None, alias="set", description="Change sysctls: node → key → value."
    )
    iptables: _RulesOf | None = Field(default=None, description="Add rules: node → lines.")
    ip6tables: _RulesOf | None = Field(default=None, description="Add rules: node → lines.")
    zero: Texts | None = Field(default=None, description="Zero the rule counters of nodes.")
    expect: TableExpect | None = Field(default=None, description="Check tables as they are now.")

    @model_validator(mode="before")
    @classmethod
    def _one_key(cls, given: Any) -> Any:
        return short.one_key(given)


class Lab(Part):
    """A lab: namespaces, what joins them, and what is done with them."""

    # a lab without them is refused by `check`, in the words that suit Python as well
    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"required": ["name", "nodes"]}
    )

    name: str = Field(
        default="",
        description="1 to 63 of the characters A-Z a-z 0-9 . _ -",
        examples=["bridge"],
        json_schema_extra={"pattern": r"^[A-Za-z0-9_.][A-Za-z0-9._-]{0,62}$"},
    )
    description: str = Field(default="", description="What the lab shows, in a sentence.")
    pools: dict[str, NamedPool] = Field(
        default={},
        description="Ranges that addresses are drawn from, by name.",
        examples=[{"pods": {"range": "10.244.0.0/16", "reserved": ["10.244.0.1"]}}],
    )
    nodes: dict[
        str,
        Annotated[Node, BeforeValidator(short.empty_when_null, json_schema_input_type=Node | None)],
    ] = Field(
        default={},
        description="The network namespaces, by name.",
        json_schema_extra={"minProperties": 1},
    )
    links: list[AnyLink] = Field(
        default=[],
        description="veth pairs; a device exists because a link names it.",
        examples=[[["ns1:veth1a", "host:veth1b@br0"]]],
    )
    story: list[Annotated[Step, Field()]] = Field(
        default=[], description="The steps that 'hopscope run' performs, in order."
    )
