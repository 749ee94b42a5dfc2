"""Shared Hypothesis strategies: the nouns of `model`, small and lawful."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st
from msgspec.structs import replace

from hopscope.model.devices import BridgeState, PortOptions, Vlan
from hopscope.model.events import (
    Event,
    FdbChanged,
    FrameSeen,
    Logged,
    NeighbourChanged,
    Observation,
    RuleHit,
)
from hopscope.model.flow import Arp, Headers, Icmp, Ip, Ports
from hopscope.model.journey import (
    BridgeStep,
    ChainVisit,
    DeliverStep,
    DropStep,
    HookStep,
    Hop,
    Journey,
    NatStep,
    NeighbourStep,
    PassUpStep,
    Reason,
    ReceiveStep,
    RouteStep,
    RuleCheck,
    Step,
    TransmitStep,
    UnrecognisedStep,
)
from hopscope.model.record import (
    Check,
    ExpectResult,
    Finding,
    FirewallResult,
    LogLine,
    PingResult,
    Record,
    Reply,
    RuleDelta,
    SetResult,
    ShowResult,
    StepResult,
    ZeroResult,
)
from hopscope.model.snapshot import (
    Address,
    Chain,
    FdbEntry,
    LinkState,
    Neighbour,
    NodeState,
    PolicyRule,
    Route,
    Rule,
    Snapshot,
)
from hopscope.model.vocab import (
    TABLES,
    Action,
    Basis,
    BasisKind,
    DevName,
    DevRef,
    Direction,
    Family,
    Fate,
    Hook,
    Mac,
    Nanos,
    NeighbourState,
    NodeName,
    PktType,
    Verdict,
)
from matrices import reachability

__all__ = [
    "addresses4",
    "addresses6",
    "dev_names",
    "dev_refs",
    "events",
    "frames_seen",
    "headers",
    "journeys",
    "logged",
    "macs",
    "nanos",
    "node_names",
    "ping_results",
    "port_options",
    "records",
    "rule_hits",
    "snapshots",
    "some",
    "steps",
    "steps_by_kind",
    "texts",
    "trees",
    "u8",
    "u16",
    "u32",
    "vlans",
]

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
nanos = st.integers(0, 1 << 62).map(Nanos)
texts = st.text(max_size=12)
"""Any text, of any script, that UTF-8 can say."""

_WORD = "abcdefghijklmnopqrstuvwxyz0123456789"
dev_names = st.text(_WORD + "-._", min_size=1, max_size=15).map(DevName)
node_names = st.text(_WORD + "-", min_size=1, max_size=12).map(NodeName)
dev_refs = st.builds(DevRef, node_names, dev_names)
macs = st.binary(min_size=6, max_size=6).map(lambda raw: Mac(raw.hex(":")))
addresses4 = u32.map(lambda number: str(IPv4Address(number)))
addresses6 = st.integers(0, (1 << 128) - 1).map(lambda number: str(IPv6Address(number)))
_addresses = addresses4 | addresses6
_counters = st.dictionaries(texts, st.integers(0, 1 << 63), max_size=2)


def some(strategy: st.SearchStrategy[object], most: int = 2) -> st.SearchStrategy[tuple]:  # type: ignore[type-arg]
    """A tuple of up to *most*."""
    return st.lists(strategy, max_size=most).map(tuple)


def _or_none(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


# Headers

_arps = st.builds(
    Arp, op=u16, sender_mac=macs, sender_ip=addresses4, target_mac=macs, target_ip=addresses4
)
_ips = st.builds(
    Ip, version=st.sampled_from((4, 6)), src=_addresses, dst=_addresses, proto=u8, ttl=u8
)
_icmps = st.builds(Icmp, type=u8, code=u8, ident=_or_none(u16), seq=_or_none(u16))
_ports = st.builds(Ports, sport=u16, dport=u16, flags=st.sampled_from(("", "SYN", "SYN,ACK")))
_quoted = st.builds(Headers, ip=_ips, icmp=_or_none(_icmps), ports=_or_none(_ports))
headers = st.builds(
    Headers,
    src_mac=_or_none(macs),
    dst_mac=_or_none(macs),
    ethertype=_or_none(u16),
    arp=_or_none(_arps),
    ip=_or_none(_ips),
    icmp=_or_none(_icmps),
    ports=_or_none(_ports),
    stamp=_or_none(st.integers(0, (1 << 64) - 1)),
    inner=_or_none(_quoted),
)

# Snapshots

port_options = st.builds(
    PortOptions,
    hairpin=st.booleans(),
    isolated=st.booleans(),
    learning=st.booleans(),
    flood=st.booleans(),
    cost=st.none() | st.integers(1, 0xFFFF),
)
vlans = st.builds(Vlan, vid=st.integers(1, 4094), pvid=st.booleans(), untagged=st.booleans())

_links = st.builds(
    LinkState,
    name=dev_names,
    kind=st.sampled_from(("veth", "bridge", "loopback", "")),
    mac=_or_none(macs),
    master=_or_none(dev_names),
    bridge=_or_none(
        st.builds(BridgeState, stp=st.booleans(), ageing=st.sampled_from((0.0, 300.0)))
    ),
    port=_or_none(port_options),
    vlans=some(vlans),
    peer=_or_none(dev_refs),
    addresses=some(st.builds(Address, ip=_addresses, prefix=st.integers(0, 128))),
    counters=_counters,
)
_routes = st.builds(
    Route,
    family=st.sampled_from((Family.IP, Family.IP6)),
    destination=st.sampled_from(("0.0.0.0/0", "10.0.0.0/8", "::/0")),
    table=st.sampled_from((253, 254, 255)),
    type=st.sampled_from(("unicast", "local", "blackhole")),
    dev=_or_none(dev_names),
    via=_or_none(_addresses),
    source=_or_none(_addresses),
)
_rules = st.builds(
    Rule, text=texts, packets=_or_none(u32), bytes=_or_none(u32), log_prefix=_or_none(texts)
)
_chains = st.builds(
    Chain,
    family=st.sampled_from(Family),
    table=texts,
    name=texts,
    hook=_or_none(st.sampled_from(Hook)),
    type=st.sampled_from((None, "filter", "nat", "route")),
    priority=_or_none(st.integers(-400, 400)),
    policy=_or_none(texts),
    rules=some(_rules),
    packets=_or_none(u32),
)
_fdb = st.builds(FdbEntry, bridge=dev_names, mac=macs, port=dev_names)
_neighbours = st.builds(
    Neighbour,
    dev=dev_names,
    ip=_addresses,
    mac=_or_none(macs),
    state=st.sampled_from(NeighbourState),
)
_nodes = st.builds(
    NodeState,
    name=node_names,
    links=some(_links),
    routes=some(_routes, 1),
    policy_rules=some(
        st.builds(
            PolicyRule,
            family=st.sampled_from(Family),
            source=_or_none(texts),
            conditions=some(st.sampled_from(("iif", "fwmark", "not"))),
            action=st.sampled_from(("lookup", "prohibit")),
            values=st.dictionaries(st.sampled_from(("iif", "fwmark")), texts, max_size=1),
        ),
        1,
    ),
    neighbours=some(_neighbours, 1),
    fdb=some(_fdb, 1),
    chains=some(_chains, 1),
    sysctls=st.dictionaries(texts, texts, max_size=2),
    counters=_counters,
    unread=some(texts, 1),
)
snapshots = st.builds(Snapshot, nodes=some(_nodes))

# Events

frames_seen = st.builds(
    FrameSeen,
    at=nanos,
    dev=dev_refs,
    direction=st.sampled_from(Direction),
    pkttype=st.sampled_from(PktType),
    frame=st.binary(max_size=80),
    length=u16,
)
rule_hits = st.builds(
    RuleHit,
    at=nanos,
    node=node_names,
    trace_id=u32,
    kind=st.sampled_from(("rule", "return", "policy")),
    family=st.sampled_from(Family),
    table=texts,
    chain=texts,
    handle=_or_none(u32),
    verdict=st.sampled_from(Verdict),
    jump=_or_none(texts),
    iif=_or_none(dev_names),
    oif=_or_none(dev_names),
    link_header=st.binary(max_size=14),
    network_header=st.binary(max_size=40),
    transport_header=st.binary(max_size=20),
)
logged = st.builds(
    Logged,
    at=nanos,
    node=node_names,
    family=st.sampled_from(Family),
    prefix=texts,
    iif=_or_none(dev_names),
    oif=_or_none(dev_names),
    physin=_or_none(dev_names),
    physout=_or_none(dev_names),
    link_header=st.sampled_from((b"", bytes(12) + b"\x08\x00", bytes(12) + b"\x86\xdd"))
    | st.binary(max_size=18),
    packet=st.binary(max_size=80),
    mark=u32,
)
_neighbour_changes = st.builds(
    NeighbourChanged,
    at=nanos,
    dev=dev_refs,
    ip=_addresses,
    mac=_or_none(macs),
    state=st.sampled_from(NeighbourState),
)
_fdb_changes = st.builds(
    FdbChanged, at=nanos, node=node_names, bridge=dev_names, port=dev_names, mac=macs
)
events: st.SearchStrategy[Event] = st.one_of(
    frames_seen, rule_hits, logged, _neighbour_changes, _fdb_changes
)

# Journeys

_bases = st.builds(Basis, st.sampled_from(BasisKind), texts)
_checks = st.builds(
    RuleCheck,
    handle=u32,
    text=texts,
    matched=st.booleans(),
    verdict=_or_none(st.sampled_from(Verdict)),
    log_prefix=_or_none(texts),
)
_visits = st.builds(
    ChainVisit,
    family=st.sampled_from(Family),
    table=texts,
    chain=texts,
    priority=_or_none(st.integers(-400, 400)),
    rules=some(_checks),
    policy=_or_none(st.sampled_from(Verdict)),
    verdict=st.sampled_from(Verdict),
)
steps_by_kind: tuple[st.SearchStrategy[Step], ...] = (
    st.builds(
        TransmitStep,
        dev=dev_names,
        at=_or_none(nanos),
        basis=_bases,
        src_mac=_or_none(macs),
        dst_mac=_or_none(macs),
    ),
    st.builds(
        ReceiveStep,
        dev=dev_names,
        at=_or_none(nanos),
        pkttype=st.sampled_from(PktType),
        basis=_bases,
    ),
    st.builds(
        BridgeStep,
        bridge=dev_names,
        action=st.sampled_from(Action),
        came_in=_or_none(dev_names),
        out=some(dev_names, 3),
        entry=_or_none(_fdb),
        learnt=_or_none(macs),
        basis=_bases,
    ),
    st.builds(
        PassUpStep,
        bridge=dev_names,
        at=_or_none(nanos),
        because=st.sampled_from(("group", "own-address", "promiscuous")),
        pkttype=st.sampled_from(PktType),
        basis=_bases,
    ),
    st.builds(
        HookStep,
        family=st.sampled_from(Family),
        hook=st.sampled_from(Hook),
        chains=some(_visits),
        verdict=st.sampled_from(Verdict),
        basis=_bases,
        iif=_or_none(dev_names),
        oif=_or_none(dev_names),
        skipped=some(texts),
    ),
    st.builds(
        RouteStep,
        destination=_addresses,
        route=_or_none(texts),
        dev=_or_none(dev_names),
        via=_or_none(_addresses),
        basis=_bases,
    ),
    st.builds(
        NeighbourStep,
        dev=dev_names,
        ip=_addresses,
        mac=_or_none(macs),
        state=st.sampled_from(NeighbourState),
        basis=_bases,
    ),
    st.builds(
        NatStep,
        field=st.sampled_from(("source", "destination")),
        before=texts,
        after=texts,
        basis=_bases,
    ),
    st.builds(DeliverStep, to=texts, basis=_bases),
    st.builds(DropStep, reason=texts, where=texts, basis=_bases, expected=st.booleans()),
    st.builds(UnrecognisedStep, what=texts, basis=_bases),
)
steps: st.SearchStrategy[Step] = st.one_of(*steps_by_kind)
_leaf_hops = st.builds(
    Hop,
    node=node_names,
    came_in=_or_none(dev_names),
    came_from=_or_none(dev_names),
    steps=some(steps, 3),
)
trees = st.recursive(
    _leaf_hops,
    lambda inner: st.builds(
        Hop,
        node=node_names,
        came_in=_or_none(dev_names),
        came_from=_or_none(dev_names),
        steps=some(steps, 2),
        onward=some(inner, 2),
    ),
    max_leaves=4,
)
"""Hops, each with those that follow it."""

_reasons = st.builds(
    Reason, code=texts, sentence=texts, at=_or_none(dev_refs), basis=_bases, mend=texts
)
journeys = st.builds(
    Journey,
    title=texts,
    headers=headers,
    started=nanos,
    first=trees,
    fate=st.sampled_from(Fate),
    reason=_or_none(_reasons),
    lost=u16,
    notes=some(texts),
)

# Records

_outcomes = st.builds(Check, expected=texts, seen=texts, held=st.booleans(), why=texts)
_deltas = st.builds(
    RuleDelta,
    node=node_names,
    family=st.sampled_from(Family),
    table=texts,
    chain=texts,
    handle=u32,
    text=texts,
    before=u16,
    after=u16,
    log_prefix=_or_none(texts),
)
ping_results = st.builds(
    PingResult,
    number=u8,
    source=node_names,
    source_address=_or_none(_addresses),
    target=texts,
    address=_addresses,
    replies=some(
        st.builds(Reply, seq=u16, rtt=_or_none(st.integers(0, 1 << 40)), error=_or_none(texts))
    ),
    journeys=some(journeys, 1),
    before=snapshots,
    after=snapshots,
    deltas=some(_deltas),
    log=some(st.builds(LogLine, at=nanos, node=node_names, prefix=texts, text=texts), 1),
    checks=some(_outcomes),
    observation=st.builds(Observation, events=some(events), lost=u16, blind=some(texts, 1)),
    switches=st.dictionaries(texts, st.sampled_from(("0", "1")), max_size=1),
    reason=_or_none(_reasons),
    notes=some(texts, 1),
)
_SHOWABLE = TABLES
results: st.SearchStrategy[StepResult] = st.one_of(
    st.builds(
        ShowResult,
        what=some(st.sampled_from(_SHOWABLE), 7),
        nodes=some(node_names),
        tables=snapshots,
    ),
    st.builds(SetResult, node=node_names, key=texts, before=texts, after=texts),
    st.builds(FirewallResult, tool=texts, node=node_names, lines=some(texts)),
    st.builds(ZeroResult, nodes=some(node_names)),
    st.builds(ExpectResult, checks=some(_outcomes)),
    ping_results,
)


def _numbered(steps: tuple[StepResult, ...]) -> tuple[StepResult, ...]:
    """Pings as a run numbers them: no two are alike."""
    return tuple(
        replace(step, number=number) if isinstance(step, PingResult) else step
        for number, step in enumerate(steps, start=1)
    )


records = st.builds(
    Record,
    reachability=st.lists(st.integers(2, 3).map(reachability), max_size=2).map(tuple),
    lab=texts,
    description=texts,
    mode=st.sampled_from(("sandbox", "on-host")),
    kernel=texts,
    hopscope=texts,
    started=nanos,
    finished=nanos,
    initial=snapshots,
    steps=some(results).map(_numbered),
    conclusion=some(st.builds(Finding, sentence=texts, evidence=texts, held=st.booleans())),
    notes=some(texts, 1),
    version=st.just(1),
)
