"""Seconds against the number of pods, by contender, as an SVG picture."""

from itertools import cycle
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from results import Curves, Panels

__all__ = ["draw"]


def draw(panels: Panels, to: Path) -> None:
    """A panel beside the other for each title, on the same two logarithmic scales."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "hopscope", "font.size": 9})
    figure = Figure(figsize=(3.2 * len(panels) + 3.0, 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for one, (title, curves) in zip(axes, panels.items(), strict=True):
        _panel(one, title, curves)
    axes[0].set_ylabel("seconds, median")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    figure.savefig(to, format="svg", metadata={"Date": None})


def _panel(axes: Axes, title: str, curves: Curves) -> None:
    sizes = sorted({pods for points in curves.values() for pods, _seconds in points})
    for (name, points), mark in zip(curves.items(), cycle("osD^vPX*h<>p")):
        axes.loglog(*zip(*points, strict=True), marker=mark, markersize=4, label=name)
    axes.set_title(title)
    axes.set_xlabel("pods")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(visible=True, alpha=0.3)
