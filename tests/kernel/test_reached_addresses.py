"""Addresses as targets: those of services, which no node has, and certain ones of nodes."""

import socket
from collections.abc import Iterator

import pytest

from hopscope import Lab, StandingLab, UsageError
from hopscope.lab.reachability import reach
from hopscope.model.reachability import Outcome, Pair, Protocol

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

RULES = [
    "-t nat -N DEAD",
    "-t nat -A DEAD -p tcp -j DNAT --to-destination 10.2.0.2:9090",
    "-t nat -A PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to-destination 10.2.0.2:8080",
    "-t nat -A PREROUTING -d 10.96.0.10 -p tcp --dport 81 -j DNAT --to-destination 10.2.0.2:8081",
    "-t nat -A PREROUTING -d 10.96.0.13 -m statistic --mode nth --every 3 --packet 0 -j DEAD",
    "-t nat -A PREROUTING -d 10.96.0.13 -p tcp -j DNAT --to-destination 10.2.0.2:8080",
    "-A FORWARD -d 10.2.0.2 -p tcp --dport 9090 -j DROP",
    "-A FORWARD -d 10.96.0.11 -p tcp -j REJECT --reject-with tcp-reset",
]


@pytest.fixture
def services() -> Iterator[StandingLab]:
    """Client ── node ── pod; node sends what is for 10.96.0.10 to pod, which listens at 8080."""
    lab = Lab("services")
    lab.node("client", addresses={"eth0": "10.1.0.2/24"}, routes=["default via 10.1.0.1"])
    lab.node("pod", addresses={"eth0": "10.2.0.2/24"}, routes=["default via 10.2.0.1"])
    lab.node(
        "node",
        addresses={"n1": ["10.1.0.1/24", "10.1.0.9/24"], "n2": "10.2.0.1/24"},
        routes=["10.96.0.0/24 via 10.2.0.2"],
        sysctls={"net.ipv4.ip_forward": 1},
        iptables=RULES,
    )
    lab.link("client:eth0", "node:n1").link("pod:eth0", "node:n2")
    with (
        lab.up() as running,
        running.sandbox.open_socket(
            running.check_node("pod"), socket.AF_INET, socket.SOCK_STREAM, 0
        ) as server,
    ):
        server.bind(("10.2.0.2", 8080))
        server.listen(8)
        yield running


def asked(lab: StandingLab, target: str, port: int | None = None) -> Pair:
    """The client asks for it."""
    protocol = Protocol.ICMP if port is None else Protocol.TCP
    (pair,) = reach(lab, ["client"], [target], protocol=protocol, port=port, timeout=0.5).pairs
    assert (pair.source, pair.target) == ("client", target)
    return pair


def test_a_service_answers(services: StandingLab) -> None:
    """By its own address, and by TCP."""
    pair = asked(services, "10.96.0.10", 80)
    assert (pair.address, pair.outcome) == ("10.96.0.10", Outcome.ANSWERED)
    assert pair.rtt is not None


def test_one_behind_which_nobody_listens_refuses(services: StandingLab) -> None:
    """The pod did, to which a rule had sent it."""
    pair = asked(services, "10.96.0.10", 81)
    assert (pair.outcome, pair.refused_by) == (Outcome.REFUSED, "pod")
    assert pair.refusal == (
        "nothing listens at 10.2.0.2 port 8081 of pod, where a rule of node sent it"
    )


def test_one_that_a_rule_refuses_is_not_reached(services: StandingLab) -> None:
    """No node has the address, so nobody but the rule can have answered for it."""
    pair = asked(services, "10.96.0.11", 80)
    assert (pair.outcome, pair.refused_by) == (Outcome.FAILED, "node")
    assert "-j REJECT" in (pair.error or "")


def test_a_certain_address_of_a_node(services: StandingLab) -> None:
    """Each of several; who refuses is told by name."""
    assert asked(services, "10.1.0.9").outcome is Outcome.ANSWERED
    pair = asked(services, "10.2.0.2", 9)
    assert (pair.outcome, pair.refused_by, pair.refusal) == (Outcome.REFUSED, "pod", None)


def test_nodes_and_addresses_beside_each_other(services: StandingLab) -> None:
    """However an address is written; one of another family is told."""
    found = reach(services, ["client"], ["pod", "10.2.0.1", "FD00:0::1"])
    assert found.targets == ("pod", "10.2.0.1", "fd00::1")
    assert [pair.outcome for pair in found.pairs] == [
        Outcome.ANSWERED,
        Outcome.ANSWERED,
        Outcome.FAILED,
    ]
    assert found.pairs[2].error == "client has IPv4 addresses only"


def test_what_no_rule_dropped_is_looked_for_where_it_was_sent(services: StandingLab) -> None:
    """No node is called as the address."""
    (group,) = reach(
        services, ["client"], ["10.96.0.12"], protocol=Protocol.TCP, port=80, timeout=0.3
    ).groups
    assert group.reason
    assert "exec services 10.96" not in f"{group.reason} {group.mend}"


def test_one_of_several_behind_a_service_is_dead(services: StandingLab) -> None:
    """It is probed again until that one is met: a probe that is answered tells nothing of it."""
    found = [
        reach(services, ["client"], ["10.96.0.13"], protocol=Protocol.TCP, port=80, timeout=0.3)
        for _time in range(3)
    ]
    (group,) = (one for each in found for one in each.groups)
    assert "--dport 9090 -j DROP` of ip filter FORWARD dropped it" in (group.reason or "")


def test_sources_are_nodes(services: StandingLab) -> None:
    """From an address alone nothing can be sent."""
    with pytest.raises(UsageError, match="no node"):
        reach(services, ["10.1.0.2"], ["pod"])
