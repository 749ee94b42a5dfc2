"""The reference story: `hopscope run bridge` against the same by hand, in turn, in one run."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
HERE = Path(__file__).parent
OURS = [str(Path(sys.executable).parent / "hopscope"), "run", "bridge", "--quiet", "--out"]
BY_HAND = [
    *("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"),
    *("sh", str(HERE / "story_by_hand.sh")),
]


def seconds(argv: list[str]) -> float:
    """How long the command takes, with a fresh folder as its last argument."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run([*argv, folder], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun


def main() -> None:
    """Measure and print a table."""
    seconds(OURS), seconds(BY_HAND)  # warm
    pairs = [(seconds(OURS), seconds(BY_HAND)) for _ in range(ROUNDS)]
    ours, by_hand = zip(*pairs, strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{'the reference story':<28}{'min':>8}{'median':>8}{'max':>8}  seconds, {ROUNDS} rounds")
    for name, figures in (("hopscope run bridge", ours), ("by hand, five tcpdumps", by_hand)):
        row = (min(figures), statistics.median(figures), max(figures))
        print(f"{name:<28}" + "".join(f"{figure:>8.2f}" for figure in row))
    print(f"ours / by hand, median of pairs: {ratio:.2f}")


if __name__ == "__main__":
    main()
