"""Sysctls that the kernel tells in other words, takes in part, never tells, or passes on."""

from pathlib import Path
from typing import Final

import pytest

from changing import become, declared, standing, writes_of
from hopscope.errors import SpecError, UsageError
from hopscope.lab.running import RunningLab
from hopscope.model.change import Action, Subject
from hopscope.model.vocab import NodeName

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]

LAB: Final = """
name: lab
nodes:
  a: {{addresses: {{eth0: [10.0.0.1/24, "fd00::1/64"]}}, sysctls: {{{own}}}}}
  b: {{addresses: {{eth0: [{other}/24, "fd00::2/64"]}}}}
links: [[a:eth0, b:eth0]]
"""


def lab(own: str = "", other: str = "10.0.0.2") -> str:
    """Two nodes, one with sysctls."""
    return LAB.format(own=own, other=other)


OTHERWISE: Final = {
    "net.ipv4.ip_local_reserved_ports": "8080,8081",
    "net.ipv4.ip_forward": "0x1",
    "net.ipv4.conf.all.rp_filter": "01",
    "net.ipv4.tcp_fastopen_key": "ABCDEF01-00000000-00000000-00000000",
    "net.ipv4.neigh.eth0.retrans_time_ms": "0334",
    "net.ipv6.conf.eth0.stable_secret": "2001:db8::1",
    "net.ipv6.conf.lo.hop_limit": "0x40",
}
"""Values, none of which the kernel tells as it is written here."""


def now(running: RunningLab, key: str, node: str = "a") -> str:
    """As the kernel tells it."""
    file = f"/proc/sys/{key.replace('.', '/')}"
    return (running.sandbox.read_files(NodeName(node), [file])[file] or "").strip()


@pytest.mark.parametrize("key", OTHERWISE)
def test_what_is_told_in_other_words_is_as_declared(key: str) -> None:
    """Nothing is written again; and another change of the lab goes its way."""
    own = f"{key}: '{OTHERWISE[key]}'"
    with standing(lab(own)) as running:
        assert now(running, key) != OTHERWISE[key]
        assert running.differences().changes == ()
        assert writes_of(running, lab(own)) == []
        assert len(become(running, lab(own, other="10.0.0.3"))) == 2
        assert running.differences().changes == ()


def test_another_spelling_is_a_change_once() -> None:
    """Nobody knows that it is none before it was written."""
    key = "net.ipv4.ip_local_reserved_ports"
    with standing(lab(f"{key}: 8080-8081")) as running:
        other = lab(f"{key}: '8080,8081'")
        assert running.differences(declared(other)).changes != ()
        assert become(running, other) == [(Action.CHANGE, Subject.SYSCTL, key)]
        assert writes_of(running, other) == []


def test_what_someone_else_wrote_is_seen_and_mended() -> None:
    """Though neither is in the words of the lab file."""
    key = "net.ipv4.ip_local_reserved_ports"
    with standing(lab(f"{key}: '8080,8081'")) as running:
        running.run("a", ["sh", "-c", f"echo 9,10 > /proc/sys/{key.replace('.', '/')}"])
        (change,) = running.differences().changes
        assert (change.before, change.after) == ("9-10", "8080,8081")
        become(running, lab(f"{key}: '8080,8081'"))
        assert now(running, key) == "8080-8081"


LONG: Final = ",".join(map(str, range(2000, 5000, 2)))
IN_PART: Final = {
    "more than a page": ("net.ipv4.ip_local_reserved_ports", LONG),
    "two numbers for one": ("net.ipv4.ip_forward", "1 0"),
}


@pytest.mark.parametrize("what", IN_PART)
def test_what_is_taken_in_part_is_refused_whole(what: str, records: Path) -> None:
    """With its line, when the lab is built, changed, and where it is set by hand."""
    key, value = IN_PART[what]
    text = lab(f"{key}: '{value}'")
    with pytest.raises(SpecError) as built, standing(text):
        pass
    assert built.value.problems[0].place.line == 4
    assert "takes only a part of this value" in str(built.value)
    assert len(str(built.value)) < 300
    with standing(lab()) as running:
        before = now(running, key)
        with pytest.raises(SpecError, match="takes only a part"):
            become(running, text)
        assert now(running, key) == before
        with pytest.raises(UsageError, match="takes only a part"):
            running.set_sysctl("a", key, value)
        assert now(running, key) == before
        assert running.differences().changes == ()
    assert list(records.glob("*/lab.json")) == []


def test_as_much_as_a_page_holds_is_built() -> None:
    """And told as one range by the kernel, in many reads or one."""
    value = ",".join(map(str, range(30000, 30600)))
    key = "net.ipv4.ip_local_reserved_ports"
    with standing(lab(f"{key}: '{value}'")) as running:
        assert now(running, key) == "30000-30599"
        assert running.differences().changes == ()


def test_a_text_that_was_empty_is_empty_again() -> None:
    """When it is no longer declared."""
    key = "net.ipv4.ip_local_reserved_ports"
    with standing(lab(f"{key}: '8080,8081'")) as running:
        assert become(running, lab()) == [(Action.CHANGE, Subject.SYSCTL, key)]
        assert now(running, key) == ""


@pytest.mark.parametrize("key", ["net.ipv4.route.flush", "net.ipv6.conf.eth0.stable_secret"])
def test_what_cannot_be_read_is_not_set(key: str) -> None:
    """It is there, and could not be put back: it is not said to be absent."""
    with standing(lab()) as running:
        with pytest.raises(UsageError, match="cannot be read") as raised:
            running.set_sysctl("a", key, "1")
        assert "hopscope exec lab a -- sysctl -w" in str(raised.value)
        assert running.differences().changes == ()


LASTING: Final = {
    "how all devices make addresses": "net.ipv6.conf.all.addr_gen_mode: 3",
    "how devices to come do": "net.ipv6.conf.default.addr_gen_mode: 3",
    "how one does": "net.ipv6.conf.eth0.addr_gen_mode: 3",
    "a secret": "net.ipv6.conf.eth0.stable_secret: '2001:db8::1'",
    "a secret of all": "net.ipv6.conf.default.stable_secret: '2001:db8::1'",
}


@pytest.mark.parametrize("what", LASTING)
def test_what_gave_addresses_stays_until_the_lab_ends(what: str) -> None:
    """The kernel takes none of them back: to become the other is refused, in both directions."""
    one, other = lab(LASTING[what]), lab()
    for text, following in ((one, other), (other, one)):
        with standing(text) as running:
            before = running.run("a", ["ip", "-6", "-o", "addr"]).stdout
            with pytest.raises(UsageError, match="hopscope down lab, and up again"):
                become(running, following)
            assert running.differences().changes == ()
            assert writes_of(running, text) == []
            assert running.run("a", ["ip", "-6", "-o", "addr"]).stdout == before


def test_a_device_that_goes_takes_them_along() -> None:
    """And one that comes makes its addresses as declared."""
    second = "links: [[a:eth0, b:eth0], [a:eth1, b:eth1]]"
    one = lab("net.ipv6.conf.eth1.addr_gen_mode: 1").replace("links: [[a:eth0, b:eth0]]", second)
    with standing(lab()) as running:
        assert become(running, one)
        assert b"fe80" not in running.run("a", ["ip", "-6", "addr", "show", "dev", "eth1"]).stdout
        assert become(running, lab())
        assert running.differences().changes == ()


TAKEN_BACK: Final = [
    *(("net/ipv4/conf/{}/rp_filter", which) for which in ("default", "eth0", "lo")),
    *(("net/ipv4/neigh/{}/gc_stale_time", which) for which in ("eth0", "lo")),
]


@pytest.mark.parametrize(("path", "which"), TAKEN_BACK)
def test_it_is_taken_back_where_it_came_to(path: str, which: str) -> None:
    """In both directions, on each device: to loopback a default of IPv4 comes, too."""
    one, other = lab(f"{path.format(which)}: 2"), lab()
    look = ["sh", "-c", f"grep . /proc/sys/{path.format('*')}"]
    for text, following in ((one, other), (other, one)):
        with standing(following) as fresh:
            wanted = fresh.run("a", look).stdout
        with standing(text) as running:
            assert running.run("a", look).stdout != wanted
            assert become(running, following)
            assert running.run("a", look).stdout == wanted


LED: Final = {
    "a device's": ("net.ipv6.conf.all.ignore_routes_with_linkdown", "eth0", ""),
    "loopback's": ("net.ipv6.conf.all.forwarding", "lo", ""),
    "loopback's of IPv4": ("net.ipv4.ip_forward", "lo", "net.ipv4.conf.lo.forwarding"),
    "whether redirects are accepted": (
        "net.ipv4.ip_forward",
        "",
        "net.ipv4.conf.all.accept_redirects",
    ),
    "one of which a device to come takes nothing": (
        *("net.ipv6.conf.all.force_forwarding", "eth0", ""),
    ),
    "that of loopback": ("net.ipv6.conf.all.force_forwarding", "lo", ""),
}
"""One that the kernel sets along with another: that, the device, and its name if it is another."""


@pytest.mark.parametrize("what", LED)
def test_a_line_that_goes_leaves_what_the_kernel_set_along_with_another(what: str) -> None:
    """As in a lab that never had the line."""
    leader, dev, other = LED[what]
    led = other or leader.replace(".all.", f".{dev}.")
    alone = lab(f"{leader}: 1")
    with standing(alone) as running:
        if not now(running, leader):
            pytest.skip(f"this kernel has no {leader}")
        fresh = now(running, led)
    with standing(lab(f"{leader}: 1, {led}: {1 - int(fresh)}")) as running:
        assert now(running, led) != fresh
        become(running, alone)
        assert now(running, led) == fresh
        assert running.differences().changes == ()
