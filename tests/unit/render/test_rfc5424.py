"""Syslog messages as RFC 5424, RFC 6587 and the C library's local form have them."""

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopscope.errors import UsageError
from hopscope.model.vocab import Nanos
from hopscope.render.rfc5424 import (
    FACILITIES,
    SEVERITIES,
    framed,
    local,
    priority,
    rfc5424,
    short_time,
)
from strategies import texts

NOON = Nanos(1_700_000_000_123_456_789)  # 14 November 2023, 22:13:20 UTC


def test_priorities() -> None:
    """Section 6.2.1's own examples, and the table's corners."""
    assert priority("kern", "emerg") == 0
    assert priority("local4", "notice") == 165
    assert priority("user", "notice") == 13
    assert priority("local7", "debug") == 191
    assert priority(3, 2) == priority("daemon", "crit") == 26


@pytest.mark.parametrize("facility", FACILITIES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_every_priority_comes_apart_again(facility: str, severity: str) -> None:
    """Eight severities to a facility, whichever case the words are written in."""
    found = priority(facility.upper(), severity.title())
    assert divmod(found, 8) == (FACILITIES[facility], SEVERITIES[severity])
    assert found == priority(FACILITIES[facility], SEVERITIES[severity])


def test_all_numbers_have_names() -> None:
    """24 facilities and 8 severities."""
    assert sorted(FACILITIES.values()) == list(range(24))
    assert sorted(set(SEVERITIES.values())) == list(range(8))


@pytest.mark.parametrize(
    ("facility", "severity", "words"),
    [
        ("kernel", "info", "no syslog facility 'kernel'; did you mean 'kern'?"),
        ("kern", "warnings", "no syslog severity 'warnings'; did you mean 'warning'?"),
        ("kern", "xyz", "no syslog severity 'xyz'; known: emerg, alert, crit"),
        (24, "info", "no syslog facility 24; known: kern, user"),
        (-1, "info", "no syslog facility -1"),
        ("kern", 8, "no syslog severity 8"),
    ],
)
def test_unknown_priorities(facility: str | int, severity: str | int, words: str) -> None:
    """The error names what was meant, or what there is."""
    with pytest.raises(UsageError) as caught:
        priority(facility, severity)
    assert words in str(caught.value)


def test_a_message() -> None:
    """Version 1, time in UTC to the microsecond, absent fields as a dash."""
    said = rfc5424("IN=br0 OUT=br0", at=NOON, host="ns1", app="kernel")
    assert said == b"<4>1 2023-11-14T22:13:20.123456Z ns1 kernel - - - IN=br0 OUT=br0"
    assert rfc5424("x", at=Nanos(0)) == b"<4>1 1970-01-01T00:00:00.000000Z - - - - - x"


def test_all_fields() -> None:
    """In their order."""
    said = rfc5424(
        "x", at=NOON, facility="local0", severity="err", host="h", app="a", procid="7", msgid="m"
    )
    assert said == b"<131>1 2023-11-14T22:13:20.123456Z h a 7 m - x"


def test_a_text_beyond_ascii_has_a_byte_order_mark() -> None:
    """Section 6.4: so a receiver knows that it is UTF-8; plain ASCII goes without."""
    assert rfc5424("für", at=NOON).endswith(b" - \xef\xbb\xbff\xc3\xbcr")
    assert b"\xef\xbb\xbf" not in rfc5424("for", at=NOON)


@given(texts, texts, texts, texts)
def test_fields_stay_in_their_places(host: str, app: str, procid: str, msgid: str) -> None:
    """Whatever the names: printable ASCII without spaces, and never longer than allowed."""
    long = "é" * 300
    said = rfc5424(
        "text", at=NOON, host=host + long, app=app + long, procid=procid + long, msgid=msgid + long
    )
    words = said.decode("ascii").split(" ")
    assert words[-1] == "text"
    assert [len(word) for word in words[2:6]] == [255, 48, 128, 32]
    assert all(33 <= ord(character) <= 126 for word in words for character in word)
    assert len(words) == 8


@given(st.binary(max_size=30))
def test_framing_counts_octets(message: bytes) -> None:
    """RFC 6587, section 3.4.1: a receiver finds the message by its length alone."""
    length, _space, rest = framed(message).partition(b" ")
    assert int(length) == len(message)
    assert rest == message


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        (UTC, "Nov 14 22:13:20"),
        (timezone(timedelta(hours=5, minutes=30)), "Nov 15 03:43:20"),
        (ZoneInfo("America/New_York"), "Nov 14 17:13:20"),
    ],
)
def test_time_zones(zone: timezone | ZoneInfo, told: str) -> None:
    """English months, in the zone asked for."""
    assert short_time(NOON, zone) == told


def test_summer_time_is_that_of_the_moment() -> None:
    """Not that of the day on which the log is read."""
    july = Nanos(1_688_000_000_000_000_000)
    assert short_time(july, ZoneInfo("Europe/Berlin")) == "Jun 29 02:53:20"
    assert short_time(NOON, ZoneInfo("Europe/Berlin")) == "Nov 14 23:13:20"


def test_a_day_of_one_digit_is_padded_with_a_space() -> None:
    """As syslog files have it since BSD."""
    assert short_time(Nanos(0), UTC) == "Jan  1 00:00:00"


def test_without_a_zone_it_is_this_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a local daemon expects."""
    import time

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-3")
        time.tzset()
        assert short_time(NOON) == "Nov 15 01:13:20"
    time.tzset()


def test_the_local_form() -> None:
    """Tag and process as the C library writes them."""
    said = local("text", at=NOON, app="hopscope", procid="7", zone=UTC)
    assert said == b"<4>Nov 14 22:13:20 hopscope[7]: text"
    plain = local("text", at=NOON, facility="user", severity="info", app="kernel", zone=UTC)
    assert plain == b"<14>Nov 14 22:13:20 kernel: text"
    assert local("ü", at=NOON, zone=UTC) == "<4>Nov 14 22:13:20 -: ü".encode()
