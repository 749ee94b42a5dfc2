"""What a reason tells of a real kernel, and that its command mends that and nothing else."""

import shlex

import pytest

from hopscope import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

ROUTED = """
name: routed
nodes:
  a: {addresses: {e: 10.1.0.2/24}, routes: [default via 10.1.0.1]}
  r:
    addresses: {left: 10.1.0.1/24, right: 10.2.0.1/24}
    sysctls: {net.ipv4.ip_forward: 1}
  b: {addresses: {e: 10.2.0.2/24}, routes: [default via 10.2.0.1]}
links: [[a:e, r:left], [r:right, b:e]]
"""
ALL_METRICS = (
    "window 4000 rtt 30ms rttvar 10ms ssthresh 11 cwnd lock 9 advmss lock 500 reordering 5 "
    "hoplimit 61 initcwnd 7 features ecn rto_min lock 200ms initrwnd 8 quickack 1 "
    "congctl lock cubic fastopen_no_cookie 1"
)
"""As ``ip route`` lists them."""


def done(mend: str) -> list[str]:
    """The words of the command in a mend that is to be run in a node."""
    return shlex.split(mend.partition(" -- ")[2])


def test_a_route_that_loses_its_mtu_keeps_all_else() -> None:
    """Its metrics, its source and who made it: a route that is replaced has what is said anew."""
    metrics = ALL_METRICS.replace("rto_min lock", "rto_min")  # which locks it anyway
    route = "10.2.0.0/24 dev right proto static scope link src 10.2.0.1"
    with Lab.from_text(ROUTED).up() as lab:
        words = f"ip route replace {route} mtu lock 600 {metrics}"
        assert lab.run("r", words.split()).code == 0
        reason = lab.ping("a", "b", size=1000).reason
        assert reason is not None
        assert lab.run("r", done(reason.mend)).code == 0, reason.mend
        left = lab.run("r", ["ip", "route", "show", "10.2.0.0/24"]).stdout.decode()
        assert lab.ping("a", "b", size=1000).replied
    assert " ".join(left.split()) == f"{route} {ALL_METRICS}"
