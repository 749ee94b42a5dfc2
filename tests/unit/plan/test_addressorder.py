"""What is out of order goes and comes again, in a list kept as the kernel keeps it."""

from ipaddress import ip_interface

from hypothesis import given
from hypothesis import strategies as st

from hopscope.plan.addressorder import as_kept, out_of_place

some = st.lists(
    st.builds(
        "10.0.{}.{}/{}".format, st.integers(0, 2), st.integers(1, 4), st.sampled_from((16, 24))
    ),
    unique_by=lambda cidr: cidr.split("/")[0],
    max_size=7,
)


class Kernel:
    """The addresses of a device, and whether each is a secondary one (net/ipv4/devinet.c)."""

    def __init__(self) -> None:
        self.all: list[tuple[str, bool]] = []

    def add(self, cidr: str) -> None:
        """As __inet_insert_ifa() does."""
        secondary = any(_net(one) == _net(cidr) for one, _secondary in self.all)
        primaries = sum(not is_secondary for _one, is_secondary in self.all)
        self.all.insert(len(self.all) if secondary else primaries, (cidr, secondary))

    def remove(self, cidr: str) -> None:
        """As __inet_del_ifa() does where secondary ones are not promoted."""
        ((_cidr, secondary),) = [one for one in self.all if one[0] == cidr]
        self.all = [
            (one, is_secondary)
            for one, is_secondary in self.all
            if one != cidr and (secondary or not is_secondary or _net(one) != _net(cidr))
        ]


def _net(cidr: str) -> object:
    return ip_interface(cidr).network


@given(goal=some, before=some)
def test_what_comes_again_is_as_what_was_made_at_once(goal: list[str], before: list[str]) -> None:
    kernel = Kernel()
    for cidr in before:
        kernel.add(cidr)
    for cidr in reversed([one for one, _secondary in kernel.all if one not in goal]):
        if cidr in [one for one, _secondary in kernel.all]:  # not taken along by another
            kernel.remove(cidr)
    now = [one for one, _secondary in kernel.all]
    moved = out_of_place(now, as_kept(goal))
    for cidr in reversed(moved):
        kernel.remove(cidr)
    for cidr in goal:
        if cidr not in [one for one, _secondary in kernel.all]:
            kernel.add(cidr)
    assert [one for one, _secondary in kernel.all] == as_kept(goal)
    assert out_of_place(as_kept(goal), as_kept(goal)) == []


def test_those_of_ipv6_have_an_order_of_their_own() -> None:
    assert as_kept(["fd00::1/64", "10.0.0.1/24"]) == ["10.0.0.1/24"]
