"""What real kernels said, replayed: see tests/golden/record.py."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hopscope.model.vocab import DevName

__all__ = ["RECORDINGS", "Recording"]

_FOLDER = Path(__file__).parent / "golden" / "recordings"


@dataclass(frozen=True, slots=True)
class Recording:
    """Datagrams of one kernel, in order, and its devices by index."""

    kernel: str
    datagrams: tuple[bytes, ...]
    dev_name: Callable[[int], DevName | None]

    def __str__(self) -> str:
        return self.kernel

    @classmethod
    def read(cls, path: Path) -> "Recording":
        """The recording in a file."""
        found = json.loads(path.read_text())
        names = {int(index): DevName(name) for index, name in found["devices"].items()}
        datagrams = tuple(bytes.fromhex(text) for text in found["datagrams"])
        return cls(found["kernel"], datagrams, names.get)


RECORDINGS = [Recording.read(path) for path in sorted(_FOLDER.glob("bridge-ping-*.json"))]
"""One for each kernel that was recorded."""
