"""Record all that a snapshot asks of this kernel: the built-in lab `bridge`, after its rules.

python tests/golden/record_kernel.py tests/golden/recordings
"""

import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import Recording, RecordingKernel
from hopscope import Lab
from hopscope.kernel.read.snapshot import read
from hopscope.lab.running import RunningLab
from hopscope.model.lab import FirewallStep


def main(folder: Path) -> None:
    """Build the lab, ping, add its rules, take one snapshot, and write what was said."""
    release = platform.release().partition("-")[0]
    with Lab.load("bridge").up(f"recorded-{release}") as lab:
        lab.ping("ns1", "ns2")  # so that all know each other
        for step in lab.spec.story:
            if isinstance(step, FirewallStep):
                lab.add_rules(step.tool, "host", [line.text for _node, line in step.lines])
        recording = recorded(lab, release)
    path = folder / f"kernel-bridge-{release}.json"
    path.write_text(json.dumps(asdict(recording), indent=1) + "\n")


def recorded(lab: RunningLab, release: str) -> Recording:
    """What its kernel says for one snapshot of all nodes."""
    recording = Recording(kernel=release, nodes=list(lab.sandbox.nodes))
    read(RecordingKernel(lab.sandbox, recording), lab.sandbox.nodes)
    return recording


if __name__ == "__main__":
    main(Path(sys.argv[1]))
