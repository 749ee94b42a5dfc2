"""Record TCP and UDP probes of this kernel for tests of `hopscope.trace.exchanges`.

Run it where hopscope can build labs, then read what changed in the ``.txt`` files:

    python tests/golden/record_exchanges.py [NAME…]
"""

import gzip
import platform
import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchangecases import EXCHANGE_LABS, FOLDER, Exchange
from hopscope import Lab
from hopscope.lab.services import probe
from hopscope.model.reachability import Outcome, Pair, Protocol
from hopscope.model.vocab import NodeName
from hopscope.trace.exchanges import Service
from hopscope.trace.rewritten import given_by_rules

_NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17}


def record(name: str) -> None:
    """Build a lab, probe it, and keep what was seen."""
    protocol = Protocol(name.partition("-")[0])
    pair = Pair(
        source=NodeName("c"), target=NodeName("gw"), address="10.1.0.1", outcome=Outcome.SILENT
    )
    with Lab.from_text(EXCHANGE_LABS[name]).up(name=f"golden-{name}") as lab:
        before = lab.snapshot()
        watched = {"10.1.0.1", "10.1.0.2", *given_by_rules(before)}
        with lab.observing(sorted(watched), snapshot=before) as session:
            probe(lab.sandbox, pair, protocol, 80, 0.6)
            kept = Exchange(
                kernel=platform.release().partition("-")[0],
                source=pair.source,
                service=Service(proto=_NUMBERS[protocol], address="10.1.0.1", port=80),
                before=before,
                observation=session.take(),
                after=lab.snapshot(),
            )
    path = FOLDER / f"{name}.json.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(kept), mtime=0))
    (FOLDER / f"{name}.txt").write_text(kept.told())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in sys.argv[1:] or EXCHANGE_LABS:
        record(each)
