"""Queueing disciplines: pyroute2 decodes our bytes to what we meant, and we read them back."""

import struct
import sys

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from hopscope.model.traffic import Htb, Netem, Tbf
from hopscope.wire import traffic
from hopscope.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    attr,
    attributes,
    nest,
    pack,
)

NEW = NLM_F_CREATE | NLM_F_EXCL
indexes = st.integers(1, (1 << 31) - 1)
rates = st.integers(8000, 30_000_000_000).map(lambda size: size * 8)
"""Bits a second that are whole bytes, with and without room in 32 bits of bytes."""
small = st.integers(1600, 1 << 20)
shares = st.integers(0, 1_000_000).map(lambda number: number / 10_000)
times = st.integers(0, 60 * 10**9)
tbfs = st.builds(Tbf, rate=rates, burst=small, limit=st.integers(1600, 1 << 31))
lines = st.builds(
    Netem,
    delay=times,
    jitter=times,
    loss=shares,
    duplicate=shares,
    corrupt=shares,
    reorder=shares,
    limit=st.integers(1, 100_000),
)


def read(message: Message) -> tcmsg:
    found = tcmsg(pack(message))
    found.decode()
    return found


@given(indexes, tbfs)
def test_a_tbf(index: int, options: Tbf) -> None:
    """Rates in bytes; one that does not fit has an attribute, as the burst has."""
    (message,) = traffic.add_qdisc(index, parent="root", handle="1:", options=options)
    assert (message.type, message.flags) == (36, NEW)
    found = read(message)
    assert (found["index"], found["handle"], found["parent"]) == (index, 0x10000, 0xFFFFFFFF)
    assert found.get_attr("TCA_KIND") == "tbf"
    data = found.get_attr("TCA_OPTIONS")
    parms = data.get_attr("TCA_TBF_PARMS")
    speed = options.rate // 8
    assert (parms["rate"], parms["limit"]) == (min(speed, 0xFFFFFFFF), options.limit)
    raw = attributes(attributes(message.payload[20:])[2])  # pyroute2 does not know these two
    assert raw.get(4) == (speed.to_bytes(8, sys.byteorder) if speed > 0xFFFFFFFF else None)
    assert raw[6] == options.burst.to_bytes(4, sys.byteorder)
    part = traffic.qdisc(message)
    assert part is not None
    assert isinstance(part.options, Tbf)
    assert (part.options.rate, part.options.limit) == (options.rate, options.limit)
    assert abs(part.options.burst - options.burst) <= speed * 64 // 10**9 + 1  # a tick's worth


@given(small, rates)
def test_the_burst_that_is_kept_is_the_one_read(burst: int, rate: int) -> None:
    """The kernel keeps it as a time, in ticks of 64 ns: so many bytes pass in it."""
    kept = traffic.kept_burst(burst, rate)
    (_made, one) = traffic.add_qdisc(
        2, parent="root", handle="1:", options=Htb(rate=rate, ceil=rate, burst=burst)
    )
    told = traffic.htb_class(one)
    assert told is not None
    assert told[1].burst == kept
    assert abs(kept - burst) <= rate // 8 * 64 // 10**9 + 1


@given(indexes, rates, rates, small)
def test_an_htb_and_its_class(index: int, rate: int, more: int, burst: int) -> None:
    """What is in no class of its own is in that one."""
    options = Htb(rate=rate, ceil=rate + more, burst=burst)
    made, one = traffic.add_qdisc(index, parent="1:1", handle="10:", options=options)
    assert (made.type, one.type) == (36, 40)
    whole = read(made)
    assert (whole["handle"], whole["parent"]) == (0x100000, 0x10001)
    glob = whole.get_attr("TCA_OPTIONS").get_attr("TCA_HTB_INIT")
    assert (glob["version"], glob["defcls"]) == (3, 1)
    inner = read(one)
    assert (inner["handle"], inner["parent"]) == (0x100001, 0x100000)
    parms = inner.get_attr("TCA_OPTIONS").get_attr("TCA_HTB_PARMS")
    speeds = (min(rate // 8, 0xFFFFFFFF), min((rate + more) // 8, 0xFFFFFFFF))
    assert (parms["rate"], parms["ceil"]) == speeds
    told = traffic.htb_class(one)
    assert told is not None
    assert told[0] == "10:"
    assert (told[1].rate, told[1].ceil) == (rate, rate + more)
    assert abs(told[1].burst - burst) <= rate // 8 * 64 // 10**9 + 1


@given(indexes, lines)
def test_a_netem(index: int, options: Netem) -> None:
    """Shares of 2³²-1, times in ticks and again in nanoseconds."""
    (message,) = traffic.add_qdisc(index, parent="root", handle="1:", options=options)
    found = read(message)
    assert found.get_attr("TCA_KIND") == "netem"
    data = found.get_attr("TCA_OPTIONS")
    assert data["limit"] == options.limit
    assert data["loss"] == round(options.loss / 100 * 0xFFFFFFFF)
    assert data["duplicate"] == round(options.duplicate / 100 * 0xFFFFFFFF)
    assert data["gap"] == (1 if options.reorder else 0)
    assert data["delay"] == options.delay // 64
    for name, percent in (("REORDER", options.reorder), ("CORRUPT", options.corrupt)):
        inner = data.get_attr(f"TCA_NETEM_{name}")
        wanted = round(percent / 100 * 0xFFFFFFFF)
        assert (0 if inner is None else inner[f"prob_{name.lower()}"]) == wanted
    part = traffic.qdisc(message)
    assert part is not None
    assert (part.options, part.kind, part.parent) == (options, "netem", "root")


@given(indexes)
def test_one_is_removed_by_where_it_is(index: int) -> None:
    """With all that hang below it."""
    for parent, number in (("root", 0xFFFFFFFF), ("ffff:fff1", 0xFFFFFFF1)):
        message = traffic.remove_qdisc(index, parent)
        assert (message.type, message.flags) == (37, 0)
        found = read(message)
        assert (found["index"], found["handle"], found["parent"]) == (index, 0, number)


def test_the_dumps() -> None:
    """Qdiscs of all devices at once, classes of one."""
    assert (traffic.dump_qdiscs().type, traffic.dump_qdiscs().flags) == (38, NLM_F_DUMP)
    classes = traffic.dump_classes(7)
    assert (classes.type, read(classes)["index"]) == (42, 7)


def test_what_was_sent_and_dropped_is_counted() -> None:
    stats = nest(
        7, attr(1, struct.pack("=QI", 900, 9)) + attr(3, struct.pack("=IIIII", 1, 2, 3, 4, 5))
    )
    head = struct.pack("=BxxxiIII", 0, 2, 0x20000, 0x10001, 0)
    part = traffic.qdisc(Message(36, 0, head + attr(1, b"pfifo\0") + stats))
    assert part is not None
    assert (part.kind, part.handle, part.parent) == ("pfifo", "2:", "1:1")
    assert (part.options, part.sent, part.dropped, part.backlog) == (None, 9, 3, 1)


@given(st.binary(max_size=120))
def test_what_is_cut_is_none(data: bytes) -> None:
    """It never raises."""
    for kind in (36, 40):
        traffic.qdisc(Message(kind, 0, data))
        traffic.htb_class(Message(kind, 0, data))
    for word in (b"tbf\0", b"netem\0", b"htb\0"):
        head = bytes(16) + b"\x01\x00\x01\x00"
        body = head + attr(1, word) + attr(2, data)
        traffic.qdisc(Message(36, 0, body))
        traffic.htb_class(Message(40, 0, body))
