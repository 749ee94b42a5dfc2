"""Record pings of this kernel for tests of `hopscope.trace`, and how they are told now.

Run it where hopscope can build labs, then read what changed in the ``.txt`` files: they are
what the tests expect.

    python tests/golden/record_journeys.py [NAME…]       record anew
    python tests/golden/record_journeys.py --tell        only tell the recordings anew
"""

import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hopscope import Lab
from hopscope.lab.declare import source_of
from hopscope.model.record import PingResult
from hopscope.trace.identify import sightings
from journeycases import CASES, FOLDER, Case, told
from journeylabs import JOURNEY_LABS
from strangers import STRANGERS

RECORDED = [
    "three",
    "two-bridges",
    "gateway",
    "stick",
    "stp",
    "missing-address",
    "ns1-down",
    "first-port-down",
    "port-down",
    "no-port",
    "mtu",
    "narrow-mask",
    "wrong-neighbour",
    "arp-ignore",
    "asked-again",
    "drop-policy",
    "drop-jump",
    "drop-output",
    "reject-input",
    "nft-device",
    "not-forwarding",
    "masquerade",
    "dnat",
    "no-route",
    "too-big",
    "reject",
    "routing-loop",
    "reverse-path",
    "six",
    "alone",
    "bridge-down",
    "echo-ignore",
    "fragments",
    "nft-egress",
    "time-exceeded",
    "drop-prerouting",
    "nft-bridge",
    "no-neighbour",
]
"""Of the strangers' labs, those that are kept; of a lab with several pings, each."""

LABS = {name: stranger.text for name, stranger in STRANGERS.items()} | JOURNEY_LABS


def record(name: str) -> None:
    """Run a lab, and keep each of its pings that sent something."""
    text = LABS[name] if name in LABS else source_of(name)[0].decode()
    found = Lab.from_text(text).run(name=f"golden-{name}")
    for ping in found.pings:
        ident = ident_of(ping)
        if ping.observation.events and ident is not None:
            case = Case(
                name=f"{name}-{ping.number}",
                kernel=platform.release().partition("-")[0],
                source=ping.source,
                ident=ident,
                stamps=tuple(ident << 32 | r.seq for r in ping.replies if r.rtt is not None),
                errors={ident << 32 | r.seq: r.error for r in ping.replies if r.error},
                before=ping.before,
                after=ping.after,
                observation=ping.observation,
            )
            if told(case).strip():  # a request that was refused left nothing to be woven
                case.write(FOLDER / f"{case.name}.json.gz")
                tell(case)


def ident_of(ping: PingResult) -> int | None:
    """The prober's number, which its stamps carry."""
    stamps = [journey.headers.stamp for journey in ping.journeys if journey.headers.stamp]
    seen = [one.headers.stamp for one in sightings(ping.observation.events) if one.headers.stamp]
    return next((stamp >> 32 for stamp in (*seen, *stamps)), None)


def tell(case: Case) -> None:
    """Write what is told of it."""
    (FOLDER / f"{case.name}.txt").write_text(told(case))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    if sys.argv[1:] == ["--tell"]:
        for each in CASES:
            tell(each)
    else:
        for each_name in sys.argv[1:] or ("bridge", *RECORDED, *JOURNEY_LABS):
            record(each_name)
