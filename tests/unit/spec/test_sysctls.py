"""Sysctls: how they are written, whether this kernel has them, and whose device they name."""

import pytest

from hopscope import spec
from hopscope.errors import SpecError
from labtexts import FILE, PAIR, SYSCTLS, changed, problems, wrong

NS1 = "    addresses: {veth1a: 10.244.1.2/24}\n"


def with_sysctls(text: str, lab: str = PAIR) -> str:
    return changed(NS1, f"{NS1}    sysctls: {{{text}}}\n", lab)


WRONG = [
    # sysctl, rule, message, hint
    ("▸kernel.hostname: 1", "bad-sysctl", "does not begin with 'net.'", "keys below net."),
    ("▸network: 1", "bad-sysctl", "does not begin with 'net.'", "keys below net."),
    ("▸net.ipv4/ip_forward: 1", "bad-sysctl", "mixes '.' and '/'", "use '/' throughout"),
    ("▸net..ip_forward: 1", "bad-sysctl", "is not the name of a sysctl", "net.ipv4.ip_forward"),
    ("▸net/../kernel/x: 1", "bad-sysctl", "is not the name of a sysctl", "net.ipv4.ip_forward"),
    ("▸net.: 1", "bad-sysctl", "is not the name of a sysctl", "net.ipv4.ip_forward"),
    ("▸net.ipv4.ip forward: 1", "bad-sysctl", "is not the name", "net.ipv4.ip_forward"),
    ("net.ipv4.ip_forward: ▸''", "bad-sysctl", "must be one line", "write a number"),
    ('net.ipv4.ip_forward: ▸"1\\n2"', "bad-sysctl", "must be one line", "write a number"),
    (
        "▸net.ipv4.ip_foward: 1",
        "unknown-sysctl",
        "a network namespace of this kernel has no sysctl 'net.ipv4.ip_foward'",
        "did you mean 'net.ipv4.ip_forward'?",
    ),
    (
        "▸net/ipv4/ip_foward: 1",
        "unknown-sysctl",
        "has no sysctl 'net/ipv4/ip_foward'",
        "did you mean 'net/ipv4/ip_forward'?",
    ),
    (
        "▸net.ip4.ip_forward: 1",
        "unknown-sysctl",
        "has no sysctl 'net.ip4.ip_forward'",
        "did you mean 'net.ipv4.ip_forward'?",
    ),
    (
        "▸net.core.quite_else: 1",
        "unknown-sysctl",
        "has no sysctl 'net.core.quite_else'",
        "known: rmem_max, somaxconn",
    ),
    (
        "▸net.ipv4.ip_forward.x: 1",
        "unknown-sysctl",
        "has no sysctl",
        "net.ipv4.ip_forward is a value, and nothing is below it",
    ),
    (
        "▸net.ipv4.conf: 1",
        "unknown-sysctl",
        "has no sysctl 'net.ipv4.conf'",
        "it is a directory, and holds all, default, eth0 …",
    ),
    (
        "▸net.ipv4.conf.veth1a: 1",
        "unknown-sysctl",
        "has no sysctl 'net.ipv4.conf.veth1a'",
        "it is a directory, and holds forwarding, rp_filter …",
    ),
    (
        "▸net.ipv4.conf.veth1a.forwardin: 1",
        "unknown-sysctl",
        "has no sysctl",
        "did you mean 'net.ipv4.conf.veth1a.forwarding'?",
    ),
    (
        "▸net.ipv4.conf.veth1b.forwarding: 1",
        "unknown-device",
        "the node ns1 has no device 'veth1b'",
        "did you mean 'veth1a'?",
    ),
    (
        "▸net.ipv4.conf.eth0.forwarding: 1",
        "unknown-device",
        "the node ns1 has no device 'eth0'",
        "",
    ),
    (
        "▸net.ipv4.neigh.all.proxy_delay: 1",
        "unknown-device",
        "the node ns1 has no device 'all'",
        "",
    ),
    (
        "▸net.ipv4.neigh.veth1a.proxy: 1",
        "unknown-sysctl",
        "has no sysctl",
        "did you mean 'net.ipv4.neigh.veth1a.proxy_delay'?",
    ),
    ("▸net.netfilter.nf_conntrack_max: 1", "unknown-sysctl", "has no", "modprobe nf_conntrack"),
]


@pytest.mark.parametrize(("sysctl", "rule", "message", "hint"), WRONG)
def test_a_sysctl_that_cannot_be_set(sysctl: str, rule: str, message: str, hint: str) -> None:
    (found,) = wrong(with_sysctls(sysctl), rule)
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize("sysctl", [each[0].replace("ns1", "x") for each in WRONG])
def test_a_step_that_sets_is_judged_alike(sysctl: str) -> None:
    (nodes,) = problems(with_sysctls(sysctl).replace("▸", ""))
    (step,) = problems(f"{PAIR}  - set: {{ns1: {{{sysctl}}}}}\n".replace("▸", ""))
    assert (nodes.rule, nodes.message, nodes.hint) == (step.rule, step.message, step.hint)


@pytest.mark.parametrize(
    "sysctl",
    [
        "net.ipv4.ip_forward: 1",
        "net/ipv4/ip_forward: '1'",
        "net.bridge.bridge-nf-call-iptables: 0",
        'net.ipv4.ping_group_range: "0 2147483647"',
        "net.ipv4.conf.all.forwarding: 1",
        "net.ipv4.conf.default.rp_filter: 2",
        "net.ipv4.conf.lo.rp_filter: 2",
        "net.ipv4.conf.veth1a.rp_filter: 2",
        "net.ipv4.neigh.veth1a.proxy_delay: 2",
    ],
)
def test_a_sysctl_that_this_kernel_has(sysctl: str) -> None:
    assert problems(with_sysctls(sysctl)) == ()


@pytest.mark.parametrize("key", ["net.ipv4.route.flush", "net/ipv6/route/flush"])
def test_what_can_only_be_written_is_no_state(key: str) -> None:
    """It could not be told whether it is as declared."""
    listing = {**SYSCTLS, "net/ipv4": ("route",), "net/ipv6": ("route",)}
    listing |= {f"net/ipv{version}/route": ("flush",) for version in (4, 6)}
    for text in (with_sysctls(f"{key}: 1"), f"{PAIR}  - set: {{ns1: {{{key}: 1}}}}\n"):
        with pytest.raises(SpecError) as caught:
            spec.parse(text, FILE, listing=listing.get)
        (problem,) = caught.value.problems
        assert problem.rule == "bad-sysctl"
        assert "can only be written" in problem.message
        assert f"sysctl -w {key}=1" in problem.hint


def test_what_a_device_has_is_unknown_where_no_directory_shows_it() -> None:
    """The kernel lists no device of IPv6, so nobody knows; but ipv6 itself is empty."""
    listing = {**SYSCTLS, "net/ipv6": ("neigh",), "net/ipv6/neigh": ("eth0",)}
    text = with_sysctls("net.ipv6.neigh.veth1a.proxy_delay: 1")
    assert spec.parse(text, FILE, listing=listing.get).name == "pair"
    wrong(with_sysctls("▸net.ipv6.conf.all.disable_ipv6: 1"), "unknown-sysctl")


def test_without_br_netfilter_the_module_is_named() -> None:
    listing = {**SYSCTLS, "net": ("core", "ipv4")}
    text = with_sysctls("net.bridge.bridge-nf-call-iptables: 0")
    with pytest.raises(SpecError) as caught:
        spec.parse(text, FILE, listing=listing.get)
    (problem,) = caught.value.problems
    assert problem.rule == "unknown-sysctl"
    assert problem.hint == ("the kernel module br_netfilter is not loaded: modprobe br_netfilter")
    assert (problem.place.line, problem.place.column) == (7, 15)


def test_without_ipv6_no_other_name_is_guessed() -> None:
    listing = {**SYSCTLS, "net": ("core", "ipv4")}
    with pytest.raises(SpecError) as caught:
        spec.parse(with_sysctls("net.ipv6.conf.all.forwarding: 1"), FILE, listing=listing.get)
    assert caught.value.problems[0].hint == "this kernel runs without IPv6"


def test_existence_is_judged_only_by_those_who_know() -> None:
    text = with_sysctls("net.of.mine: 1")
    assert spec.parse(text, FILE).name == "pair"
    assert spec.parse(text, FILE, listing=lambda _: None).name == "pair"
    assert problems(text) != ()


def test_each_directory_is_read_once() -> None:
    asked: list[str] = []

    def listing(folder: str) -> tuple[str, ...] | None:
        asked.append(folder)
        found = SYSCTLS.get(folder)
        return None if found is None else tuple(found)

    spec.parse(
        with_sysctls("net.ipv4.ip_forward: 1, net.ipv4.conf.all.rp_filter: 1"),
        FILE,
        listing=listing,
    )
    assert len(asked) == len(set(asked))


def test_a_device_with_a_dot_wants_slashes() -> None:
    """As sysctl(8) has it: in net.ipv4.conf.eth0.5.x nobody knows where the name ends."""
    lab = PAIR.replace("veth1a", "eth0.5")
    (found,) = wrong(
        changed(
            "    addresses: {eth0.5: 10.244.1.2/24}\n",
            "    addresses: {eth0.5: 10.244.1.2/24}\n"
            "    sysctls: {▸net.ipv4.conf.eth0.5.rp_filter: 1}\n",
            lab,
        ),
        "bad-sysctl",
    )
    assert "does not say where the device's name ends" in found.message
    assert found.hint == "write net/ipv4/conf/eth0.5/rp_filter"
    fine = changed(
        "    addresses: {eth0.5: 10.244.1.2/24}\n",
        "    addresses: {eth0.5: 10.244.1.2/24}\n"
        "    sysctls: {net/ipv4/conf/eth0.5/rp_filter: 1}\n",
        lab,
    )
    assert problems(fine) == ()
