"""What a run found, by part: its words and its picture, in a folder and in the documentation."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import allpairs
import build
import growth
from figures import middle
from machine import machine, versions

__all__ = ["Part", "growth_part", "pairs_part", "pods_part", "publish"]

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = DOCS / "performance.md"

Curves = Mapping[str, Sequence[tuple[int, float]]]
"""Contender → points of (pods, seconds)."""
Panels = Mapping[str, Curves]
"""By title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One kind of measurement."""

    name: str
    table: str
    figures: Any
    curves: Panels | None = None

    @property
    def picture(self) -> str:
        """The name of its picture's file."""
        return f"bench-{self.name}.svg"

    def text(self) -> str:
        """The table, and when and where it was measured."""
        day = datetime.now().astimezone().strftime("%-d %B %Y")
        return f"{self.table}\nMeasured on {day} on {machine()}; {versions()}.\n"

    def write(self, folder: Path) -> None:
        """Words and figures."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text(self.text(), encoding="utf-8")
        figures = json.dumps(self.figures, indent=1)
        (folder / f"{self.name}.json").write_text(figures + "\n", encoding="utf-8")

    def draw(self, folder: Path) -> None:
        """The picture, if it has one."""
        if self.curves is not None:
            from plots import draw  # noqa: PLC0415 - matplotlib is only there for pictures

            draw(self.curves, folder / self.picture)


def publish(part: Part) -> None:
    """Put it into the page, between ``<!-- bench: NAME -->`` and ``<!-- end -->``."""
    held = re.compile(rf"(<!-- bench: {part.name} -->\n).*?(<!-- end -->)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    made, times = held.subn(lambda found: f"{found[1]}\n{part.text()}\n{found[2]}", page)
    assert times == 1, f"{PAGE.name} has {times} places for {part.name}"
    PAGE.write_text(made, encoding="utf-8")
    part.draw(DOCS / "images")


def pods_part(rounds: Sequence[build.Round]) -> Part:
    """Making pods and letting them go."""
    phases = {"up": "up", "down": "down", "freed": "down, until the kernel has freed all"}
    panels = {
        title: _curves([(one.contender, one.pods, getattr(one, phase)) for one in rounds])
        for phase, title in phases.items()
    }
    return Part(
        name="pods",
        table=build.summary(rounds),
        figures=[asdict(one) for one in rounds],
        curves=panels,
    )


def growth_part(found: Sequence[growth.Grown]) -> Part:
    """Pods by the thousand."""
    figures = [asdict(one) for one in found]
    return Part(name="growth", table=growth.summary(found), figures=figures)


def pairs_part(probings: Sequence[allpairs.Probing]) -> Part:
    """Probing all pairs."""
    return Part(
        name="pairs",
        table=allpairs.summary(probings),
        figures=[asdict(one) for one in probings],
        curves={"all pairs": _curves([(one.prober, one.pods, one.taken) for one in probings])},
    )


def _curves(figures: Sequence[tuple[str, int, float]]) -> Curves:
    found: dict[str, dict[int, list[float]]] = {}
    for name, pods, seconds in figures:
        found.setdefault(name, {}).setdefault(pods, []).append(seconds)
    return {
        name: [(pods, middle(taken)) for pods, taken in by_pods.items()]
        for name, by_pods in found.items()
    }
