"""What a call may leave out."""

import pytest

from hopscope.cli.usage import _completed


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["log", "lab", "--syslog"], ["log", "lab", "--syslog", "local"]),
        (["log", "lab", "--syslog", "-f"], ["log", "lab", "--syslog", "local", "-f"]),
        (["log", "lab", "--syslog", "udp://[::1]"], ["log", "lab", "--syslog", "udp://[::1]"]),
        (["exec", "lab", "ns1", "--syslog"], ["exec", "lab", "ns1", "--syslog"]),
        ([], []),
    ],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_syslog_without_an_address_is_the_machines_own(given: list[str], meant: list[str]) -> None:
    assert _completed(given) == meant
