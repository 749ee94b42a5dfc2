"""Syslog messages as bytes: RFC 5424, its framing over TCP, and the local form; no I/O."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from typing import Final

from hopscope.errors import UsageError
from hopscope.model.vocab import Nanos

__all__ = [
    "FACILITIES",
    "SEVERITIES",
    "framed",
    "local",
    "priority",
    "rfc5424",
    "short_time",
]

FACILITIES: Final[Mapping[str, int]] = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    "ntp": 12,
    "audit": 13,
    "alert": 14,
    "clock": 15,
} | {f"local{number}": 16 + number for number in range(8)}

SEVERITIES: Final[Mapping[str, int]] = {
    "emerg": 0,
    "alert": 1,
    "crit": 2,
    "err": 3,
    "warning": 4,
    "notice": 5,
    "info": 6,
    "debug": 7,
    "panic": 0,
    "error": 3,
    "warn": 4,
}
"""The last three are older names of the same."""

_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
"""Not the locale's: a syslog file is English everywhere."""
_BOM: Final = b"\xef\xbb\xbf"


def rfc5424(
    text: str,
    *,
    at: Nanos,
    facility: str | int = "kern",
    severity: str | int = "warning",
    host: str = "",
    app: str = "",
    procid: str = "",
    msgid: str = "",
) -> bytes:
    """The message, version 1, without structured data; an empty field becomes ``-``."""
    seconds, rest = divmod(at, 1_000_000_000)
    stamp = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
    fields = (_field(host, 255), _field(app, 48), _field(procid, 128), _field(msgid, 32))
    header = f"<{priority(facility, severity)}>1 {stamp} {' '.join(fields)} - "
    # a text beyond ASCII must say that it is UTF-8 (section 6.4)
    return header.encode() + (b"" if text.isascii() else _BOM) + text.encode()


def local(
    text: str,
    *,
    at: Nanos,
    facility: str | int = "kern",
    severity: str | int = "warning",
    app: str = "",
    procid: str = "",
    zone: tzinfo | None = None,
) -> bytes:
    """The message as the C library's syslog() writes it to a local socket.

    *zone* None: this process's own, as local daemons expect.
    """
    pid = f"[{procid}]" if procid else ""
    tag = f"{_field(app, 48)}{pid}"
    return f"<{priority(facility, severity)}>{short_time(at, zone)} {tag}: {text}".encode()


def short_time(at: Nanos, zone: tzinfo | None = None) -> str:
    """A time as syslog files show it, ``Nov  4 14:00:00``; *zone* None: this process's own."""
    # from UTC: the local zone must be asked for that moment, not for now
    when = datetime.fromtimestamp(at // 1_000_000_000, UTC).astimezone(zone)
    return f"{_MONTHS[when.month - 1]} {when.day:2d} {when:%H:%M:%S}"


def framed(message: bytes) -> bytes:
    """The message for a TCP stream, its length before it (RFC 6587, octet counting)."""
    return b"%d %s" % (len(message), message)


def priority(facility: str | int, severity: str | int) -> int:
    """PRI: eight times the facility, plus the severity."""
    return 8 * _number(facility, FACILITIES, "facility", 24) + _number(
        severity, SEVERITIES, "severity", 8
    )


def _number(given: str | int, known: Mapping[str, int], what: str, limit: int) -> int:
    number = given if isinstance(given, int) else known.get(given.lower(), -1)
    if 0 <= number < limit:
        return number
    near = get_close_matches(str(given).lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    message = f"no syslog {what} {given!r}; {hint}"
    raise UsageError(message)


def _field(value: str, limit: int) -> str:
    """A header field: printable ASCII without spaces, of limited length."""
    printable = "".join(c if "!" <= c <= "~" else "_" for c in value)
    return printable[:limit] or "-"
