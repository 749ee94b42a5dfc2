"""The folder that a run leaves: the report, the captures, the log, the record."""

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from hopscope.lab.folder import cannot_write
from hopscope.lab.templates import compiled_templates
from hopscope.lab.whole import write_whole
from hopscope.model import codec
from hopscope.model.events import FrameSeen
from hopscope.model.lookup import owner_of
from hopscope.model.record import PingResult, Record
from hopscope.model.vocab import DevRef
from hopscope.render.comments import frame_comments
from hopscope.render.html import load_templates, report
from hopscope.render.pcapng import frames, of_observation

__all__ = ["prepare", "write_folder"]


def prepare() -> None:
    """Load what `write_folder` will need, which is the longer part of its work."""
    load_templates(compiled_templates())


def write_folder(record: Record, folder: Path) -> list[Path]:
    """Write every file whole or not at all; returns their paths.

    Raises CannotError when the folder cannot be written.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in _files(record):
            write_whole(folder / name, data)
            written.append(folder / name)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return written


def _files(record: Record) -> Iterator[tuple[str, bytes]]:
    yield "report.html", report(record, compiled=compiled_templates()).encode()
    yield "capture.pcapng", _capture(record, None)
    target = _target(record)
    if target is not None:
        yield "icmp.pcapng", _capture(record, target)
    lines = (line.text + "\n" for ping in record.pings for line in ping.log)
    yield "iptables.log", "".join(lines).encode()
    yield "journeys.json", codec.dump(record, indent=2) + b"\n"


def _target(record: Record) -> DevRef | None:
    """The device of the first address that was pinged, as ns2/veth2a."""
    first = next(iter(record.pings), None)
    return owner_of(first.before, first.address) if first else None


def _capture(record: Record, only: DevRef | None) -> bytes:
    """The frames of all pings, or of one device, with what the hooks said as comments."""
    pings = [_at(ping, only) for ping in record.pings]
    seen = frames(pings)
    order = dict.fromkeys(frame.dev for frame in seen)
    if only is not None:
        order = {only: None}
    elif record.mode == "sandbox":  # a device that saw nothing is a finding too
        order |= dict.fromkeys(
            DevRef(node.name, link.name)
            for node in record.initial.nodes
            for link in node.links
            if link.kind != "loopback"
        )
    journeys = [journey for ping in record.pings for journey in ping.journeys]
    return of_observation(
        pings,
        order=tuple(order),
        comments=frame_comments(journeys, seen),
        comment=f"{record.lab}: {record.description}".rstrip(": "),
        system=f"Linux {record.kernel}",
        application=f"hopscope {record.hopscope}",
    )


def _at(ping: PingResult, only: DevRef | None) -> PingResult:
    if only is None:
        return ping
    events = ping.observation.events
    kept = tuple(e for e in events if isinstance(e, FrameSeen) and e.dev == only)
    return replace(ping, observation=replace(ping.observation, events=kept))
