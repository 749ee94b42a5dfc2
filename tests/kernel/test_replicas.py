"""Two hundred pods on the real kernel: counted, drawn, and each within reach."""

import pytest

from hopscope import Lab, StandingLab, UsageError

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

COUNT = 200


def pods() -> Lab:
    """The pods hang on two bridges that one link joins."""
    eth0 = [{"pool": "pods"}, {"pool": "fd00::/64"}]
    lab = Lab("many").pool("pods", "10.244.0.0/16", reserved=["10.244.0.0/24"])
    lab.node("host", bridges=["br0", "br1"])
    for name in ("a", "b"):
        lab.node(name, count=COUNT // 2, addresses={"eth0": eth0})
    lab.link("a:eth0", "host:a@br0").link("b:eth0", "host:b@br1")
    return lab.link("host:up@br0", "host:down@br1")


def answers(lab: StandingLab, node: str, address: str) -> bool:
    return lab.run(node, ["ping", "-n", "-c", "1", "-W", "5", address]).code == 0


def test_two_hundred_pods_reach_one_another() -> None:
    """The last of one bridge and the first of the other, both ways and by both protocols."""
    with pods().up() as lab:
        assert len(lab.nodes) == COUNT + 1
        drawn = [
            [address.cidr for address in node.addresses]
            for node in lab.spec.nodes
            if node.name in ("a1", f"a{COUNT // 2}", "b1", f"b{COUNT // 2}")
        ]
        assert drawn == [
            ["10.244.1.0/16", "fd00::1/64"],
            ["10.244.1.99/16", "fd00::64/64"],
            ["10.244.1.100/16", "fd00::65/64"],
            ["10.244.1.199/16", "fd00::c8/64"],
        ]
        for source, target in (("a1", "10.244.1.199"), ("b100", "10.244.1.0"), ("b1", "fd00::64")):
            assert answers(lab, source, target), (source, target)
        with pytest.raises(UsageError, match=r"has no node 'a'; did you mean 'a1'\?$"):
            lab.ping("a", "b1")


def test_a_ping_from_pod_to_pod_is_traced() -> None:
    """By the names that counting made."""
    with Lab.load("pods").up() as lab:
        ping = lab.ping("pod3", "pod19")
        assert (ping.replied, ping.address) == (True, "10.244.0.20")
        echo = next(journey for journey in ping.journeys if journey.headers.icmp)
        assert [echo.first.node, echo.first.onward[0].node] == ["pod3", "host"]
