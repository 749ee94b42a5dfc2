"""Routes in the words that ``ip route`` takes."""

from msgspec.structs import replace

from hopscope.model.snapshot import NextHop, Route
from hopscope.model.vocab import DevName, Family
from hopscope.trace.causes.tables import table_text

ROUTE = Route(
    family=Family.IP,
    destination="10.2.0.0/24",
    table=100,
    type="unicast",
    dev=DevName("left"),
    via="10.9.0.1",
)


def test_a_route_with_its_table() -> None:
    """The main one is not named."""
    assert table_text(ROUTE, " metric 7") == "10.2.0.0/24 via 10.9.0.1 dev left table 100 metric 7"
    assert table_text(replace(ROUTE, table=254)) == "10.2.0.0/24 via 10.9.0.1 dev left"


def test_what_stands_before_several_next_hops() -> None:
    """Behind them it would be taken for a part of the last one, and refused."""
    hops = (NextHop(dev=DevName("left"), via="10.9.0.1"), NextHop(dev=None, via="10.9.0.5"))
    assert table_text(replace(ROUTE, hops=hops), " metric 7") == (
        "10.2.0.0/24 table 100 metric 7 nexthop via 10.9.0.1 dev left nexthop via 10.9.0.5"
    )
