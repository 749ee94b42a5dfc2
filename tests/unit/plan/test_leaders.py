"""Which sysctls the kernel sets along with others."""

import pytest

from hopscope.plan.leaders import as_led, leaders

ROUTING = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding")


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("net/ipv4/conf/eth0/forwarding", ROUTING),
        ("net/ipv4/conf/lo/forwarding", ROUTING),
        ("net/ipv4/conf/default/forwarding", ROUTING),
        ("net/ipv4/conf/all/accept_redirects", ROUTING),
        ("net/ipv4/conf/eth0/accept_redirects", ()),
        ("net/ipv4/conf/all/forwarding", ()),
        ("net/ipv4/conf/eth0/rp_filter", ()),
        ("net/ipv4/tcp_ecn", ()),
        *(
            (f"net/ipv6/conf/{dev}/{key}", (f"net/ipv6/conf/all/{key}",))
            for dev in ("eth0", "lo", "default")
            for key in ("forwarding", "disable_ipv6", "ignore_routes_with_linkdown")
        ),
        ("net/ipv6/conf/eth0/force_forwarding", ("net/ipv6/conf/all/force_forwarding",)),
        ("net/ipv6/conf/default/force_forwarding", ()),
        ("net/ipv6/neigh/eth0/retrans_time_ms", ()),
    ],
)
def test_what_leads_a_sysctl(path: str, others: tuple[str, ...]) -> None:
    assert leaders(path) == others


def test_a_router_takes_no_redirects() -> None:
    """And what routes no more is as it was at first; all else becomes what its leader becomes."""
    redirects = "net/ipv4/conf/all/accept_redirects"
    assert (as_led(redirects, "1"), as_led(redirects, "0")) == ("0", None)
    assert [as_led("net/ipv4/conf/eth0/forwarding", value) for value in "01"] == ["0", "1"]
