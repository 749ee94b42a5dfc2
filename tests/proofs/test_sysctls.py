"""Every sysctl that a device has: in other words it is as declared, and it is taken back."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from changing import become, declared, standing, writes_of
from hopscope.lab.running import RunningLab
from hopscope.model.vocab import NodeName
from proofsizes import size

pytestmark = [
    *(pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(size(120, 1200))),
    pytest.mark.usefixtures("records"),
]

LAB: Final = """
name: lab
nodes:
  a: {{addresses: {{eth0: [10.0.0.1/24, "fd00::1/64"]}}, sysctls: {{{own}}}}}
  b: {{addresses: {{eth0: [10.0.0.2/24, "fd00::2/64"]}}}}
links: [[a:eth0, b:eth0]]
"""
GROUPS: Final = [
    *(f"net/ipv4/conf/{which}" for which in ("default", "lo", "all", "eth0")),
    *(f"net/ipv6/conf/{which}" for which in ("default", "lo", "eth0")),
    *(f"net/{family}/neigh/{which}" for family in ("ipv4", "ipv6") for which in ("eth0", "lo")),
]
"""Folders; what is not a device's may be the machine's, and is left alone."""
LEFT_OUT: Final = {
    *("addr_gen_mode", "stable_secret", "disable_ipv6", "mc_forwarding"),
    *("base_reachable_time", "retrans_time", "unres_qlen"),
}
"""What cannot be taken back, or written, and one of two names for the same."""


def lab(values: Mapping[str, str]) -> str:
    """With these sysctls."""
    return LAB.format(own=", ".join(f"{path}: '{value}'" for path, value in values.items()))


def texts(running: RunningLab) -> dict[str, str]:
    """Every sysctl of every device, and those of all."""
    script = (
        "cd /proc/sys && grep -s '' -r net/ipv4/conf net/ipv4/neigh net/ipv6/conf net/ipv6/neigh"
    )
    lines = running.run("a", ["sh", "-c", script]).stdout.decode().splitlines()
    return dict(line.split(":", 1) for line in lines)


def other_values(running: RunningLab, folder: str) -> Iterator[tuple[str, str]]:
    """Path and another value than it has, which the kernel takes."""
    for path, text in texts(running).items():
        inside, _, key = path.rpartition("/")
        if inside != folder or key in LEFT_OUT or not re.fullmatch(r"-?\d+", text):
            continue
        for number in (int(text) + 1, int(text) - 1):
            if running.run("a", ["sh", "-c", f"echo {number} > /proc/sys/{path}"]).code == 0:
                yield path, str(number)
                break


@pytest.mark.parametrize("folder", GROUPS[: size(3, len(GROUPS))])
def test_all_of_a_folder(folder: str) -> None:
    """Each is what it is in a lab that is built so: in hexadecimal, and when it comes and goes."""
    with standing(lab({})) as running:
        plain = texts(running)
    with standing(lab({})) as running:
        values = dict(other_values(running, folder))
    assert len(values) > 10
    hexadecimal = {path: hex(int(value)) for path, value in values.items()}
    with standing(lab(hexadecimal)) as running:
        built = texts(running)
        assert running.differences().changes == ()
        assert writes_of(running, lab(hexadecimal)) == []
        assert become(running, lab({}))
        assert texts(running) == plain
        assert running.differences(declared(lab({}))).changes == ()
        assert become(running, lab(values))
        assert texts(running) == built
        assert now_in(running, values) == now_in(running, hexadecimal)


def now_in(running: RunningLab, paths: Mapping[str, str]) -> list[str | None]:
    """What these are."""
    files = [f"/proc/sys/{path}" for path in paths]
    return list(running.sandbox.read_files(NodeName("a"), files).values())
