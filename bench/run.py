"""All that is measured, in one run; tables and pictures go into a folder.

Everything happens in namespaces of our own, so that the machine's network is never touched.
"""

import argparse
import compileall
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import allpairs
import build
import contenders
import growth
import private
import story
from figures import shown
from pods import MOST
from results import Part, growth_part, pairs_part, pods_part, publish

import hopscope

PARTS: Final = ("story", "pods", "growth", "pairs")
WARM: Final = 5  # pods

Measured = TypeVar("Measured", type[contenders.Contender], type[allpairs.Prober])


def main() -> None:
    """Measure what is asked for, and write it."""
    asked = _asked()
    compileall.compile_dir(hopscope.__path__[0], quiet=2)  # as whoever installs it does
    _measure(asked, _pods_and_pairs(asked) if private.inside() else _story(asked))
    if not private.inside():
        private.enter()


def _measure(asked: argparse.Namespace, parts: Iterator[Part]) -> None:
    with tempfile.TemporaryDirectory() as own:
        os.environ |= {"HOPSCOPE_STATE": f"{own}/state", "XDG_CACHE_HOME": f"{own}/cache"}
        for part in parts:
            print(f"\n{part.text()}", flush=True)
            part.write(asked.out)
            if asked.pictures:
                part.draw(asked.out)
            if asked.publish:
                publish(part)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--pods", nargs="+", type=int, default=(50, 200, 500), help="to make")
    parser.add_argument(
        "--growth", nargs="+", type=int, default=(500, 1000, 2000, 4000), help="pods on a tree"
    )
    parser.add_argument("--pairs", nargs="+", type=int, default=(50, 100), help="pods that ping")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="who is to make pods")
    parser.add_argument("--out", type=Path, default=Path("hopscope-out/bench"))
    parser.add_argument("--no-pictures", dest="pictures", action="store_false")
    parser.add_argument("--publish", action="store_true", help="into docs/performance.md, too")
    asked = parser.parse_args()
    if max(*asked.pods, *asked.pairs) > MOST:
        parser.error(f"a bridge takes at most {MOST} ports")
    return asked


def _story(asked: argparse.Namespace) -> Iterator[Part]:
    """Both sides make namespaces of their own."""
    if "story" not in asked.part:
        return
    if (reason := story.missing()) is not None:
        print(f"the story is left out: {reason}")
        return
    found = story.measure(asked.rounds, lambda name, taken: print(f"{name}: {shown(taken)}"))
    yield Part(name="story", table=story.summary(found), figures=found)


def _pods_and_pairs(asked: argparse.Namespace) -> Iterator[Part]:
    if "pods" in asked.part:
        yield pods_part(list(_pods(asked)))
    if "growth" in asked.part:
        yield growth_part(growth.measure(asked.growth, asked.rounds, _tell_growth))
    if "pairs" in asked.part:
        yield pairs_part(list(_pairs(asked)))


def _pods(asked: argparse.Namespace) -> Iterator[build.Round]:
    chosen = _there(contenders.CONTENDERS)
    if asked.only:
        chosen = [one for one in chosen if one.name in asked.only]
    build.measure(WARM, 1, chosen, lambda _one: None)
    for pods in sorted(asked.pods):
        yield from build.measure(pods, asked.rounds, chosen, _tell_pods)


def _pairs(asked: argparse.Namespace) -> Iterator[allpairs.Probing]:
    chosen = _there(allpairs.PROBERS)
    for pods in sorted(asked.pairs):
        yield from allpairs.measure(pods, asked.rounds, chosen, _tell_pairs)


def _there(all_of_them: Sequence[Measured]) -> list[Measured]:
    """Those that can be measured; of the others it is said why not."""
    reasons = {one: one.missing() for one in all_of_them}
    for one, reason in reasons.items():
        if reason:
            print(f"{one.name} is left out: {reason}")
    return [one for one, reason in reasons.items() if reason is None]


def _tell_pods(one: build.Round) -> None:
    up, down, freed = map(shown, (one.up, one.down, one.freed))
    print(f"{one.pods} pods, {one.contender}: up {up}, down {down}, freed {freed}", flush=True)


def _tell_growth(one: growth.Grown) -> None:
    print(f"{one.pods} pods on a tree: up {shown(one.up)}, freed {shown(one.freed)}", flush=True)


def _tell_pairs(one: allpairs.Probing) -> None:
    print(f"all pairs of {one.pods}, {one.prober}: {shown(one.taken)}", flush=True)


if __name__ == "__main__":
    main()
