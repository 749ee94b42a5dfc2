"""Reachability as an SVG picture: a square for each pair, its round trip as a colour.

Colour never speaks alone: a failure is a cross, a refusal a ring, and the legend says what a
colour stands for. Squares of one colour are one path, so that forty thousand fit a file.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil
from typing import Final

from msgspec import Struct

from hopscope.model.reachability import Outcome, Pair, Reachability
from hopscope.render.assets import asset
from hopscope.render.matrix import fate
from hopscope.render.svg import clean, element, text_width
from hopscope.render.words import counted, duration

__all__ = ["heatmap"]

_LARGEST, _SMALLEST, _SIDE = 26.0, 4.0, 900.0
_LABEL: Final = 11.0  # a text's size
_LINE: Final = 13.0  # … and what one needs beside the next
_HEAD: Final = 52.0
_LEGEND: Final = 46.0
_MARGIN: Final = 16.0
_TITLED: Final = 2_500  # squares that tell their pair when pointed at
_STEPS: Final = (1, 2, 5)
_ROUND: Final = (10, 12, 15, 20, 25, 30, 40, 50, 70)
_COLOURS: Final = 6
Square = tuple[int, int]
"""Column and row."""


class _Plane(Struct, frozen=True, kw_only=True):
    """Where the squares lie."""

    x: float
    y: float
    cell: float
    columns: int
    rows: int

    def at(self, column: float, row: float) -> tuple[float, float]:
        """The corner of a square."""
        return self.x + column * self.cell, self.y + row * self.cell


def heatmap(found: Reachability) -> str:
    """The picture: sources from the top down, targets from left to right."""
    plane = _plane(found)
    bounds = _bounds([pair.rtt for pair in found.pairs if pair.rtt is not None])
    kinds = _kinds(found, bounds)
    legend = _legend(found, bounds, kinds)
    wide = max(plane.at(plane.columns, 0)[0], legend[1], _MARGIN + text_width(_head(found), 16))
    width, height = wide + _MARGIN, plane.at(0, plane.rows)[1] + _LEGEND
    return element(
        "svg",
        element("title", _text(_head(found)), id="h-t"),
        element("desc", _text(_description(found)), id="h-d"),
        element("style", _style()),
        element("rect", width=round(width), height=round(height), class_="paper"),
        _words(_head(found), _MARGIN, 26, "head"),
        _words("from the nodes at the left, to those at the top", _MARGIN, 44, "small"),
        *_drawn(found, plane, kinds),
        *_axes(found, plane),
        element("g", *legend[0], transform=f"translate(0 {plane.at(0, plane.rows)[1] + 26:g})"),
        xmlns="http://www.w3.org/2000/svg",
        class_="heatmap",
        role="img",
        aria_labelledby="h-t h-d",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=round(width),
        height=round(height),
    )


def _style() -> str:
    return asset("heatmap.css")


def _text(text: str) -> str:
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _words(
    text: str, x: float, y: float, kind: str | None = None, anchor: str | None = None
) -> str:
    return element("text", _text(text), x=x, y=y, class_=kind, text_anchor=anchor)


def _head(found: Reachability) -> str:
    reached = len(found.pairs) - len(found.failures)
    how = str(found.protocol) if found.port is None else f"{found.protocol} port {found.port}"
    return f"{found.lab}: {reached} of {counted(len(found.pairs), 'pair')} reached ({how})"


def _description(found: Reachability) -> str:
    lost = [f"{pair.source} to {pair.target}" for pair in found.failures]
    some = ", ".join(lost[:50]) + (f" and {len(lost) - 50} more" if len(lost) > 50 else "")
    return f"Not reached: {some}." if lost else "Every pair is reached."


def _plane(found: Reachability) -> _Plane:
    columns, rows = len(found.targets), len(found.sources)
    cell = max(_SMALLEST, min(_LARGEST, _SIDE / max(columns, rows, 1)))
    left = max((text_width(name, _LABEL) for name in found.sources), default=0)
    above = max((text_width(name, _LABEL) for name in found.targets), default=0)
    return _Plane(x=_MARGIN + left + 8, y=_HEAD + above + 8, cell=cell, columns=columns, rows=rows)


def _bounds(rtts: Sequence[int]) -> list[int]:
    """Upper limits of all colours but the last, in round numbers.

    They begin above the fastest; what is slower than most shares the last colour.
    """
    if not rtts:
        return []
    low, high = min(rtts), sorted(rtts)[ceil(len(rtts) * 0.98) - 1]
    nice = [step * 10**power for power in range(2, 10) for step in _ROUND]
    inside = [bound for bound in nice if low < bound <= high]
    while len(inside) > _COLOURS - 1:
        inside = inside[1::2]
    return inside


def _kinds(found: Reachability, bounds: Sequence[int]) -> Mapping[str, list[Square]]:
    """The squares of each kind: a colour, a failure, a refusal, a node with itself."""
    columns = {name: number for number, name in enumerate(found.targets)}
    rows = {name: number for number, name in enumerate(found.sources)}
    kinds: dict[str, list[Square]] = {}
    for name in rows.keys() & columns.keys():
        kinds.setdefault("self", []).append((columns[name], rows[name]))
    for pair in found.pairs:
        square = (columns[pair.target], rows[pair.source])
        kinds.setdefault(_kind(pair, bounds), []).append(square)
        if pair.outcome is Outcome.REFUSED:
            kinds.setdefault("refused", []).append(square)
    return kinds


def _kind(pair: Pair, bounds: Sequence[int]) -> str:
    """One that answered when it was asked again is as slow as any."""
    if not pair.reached:
        return "fail"
    return f"s{sum(pair.rtt is None or pair.rtt > bound for bound in bounds)}"


def _drawn(
    found: Reachability, plane: _Plane, kinds: Mapping[str, Sequence[Square]]
) -> Iterator[str]:
    for kind, squares in sorted(kinds.items()):
        if kind == "refused":
            continue
        yield element("path", d=_filled(plane, squares), class_=kind)
    if "fail" in kinds:
        width = max(0.8, min(2.2, plane.cell / 9))
        yield element("path", d=_crosses(plane, kinds["fail"]), class_="cross", stroke_width=width)
    for column, row in kinds.get("refused", ()):
        x, y = plane.at(column + 0.5, row + 0.5)
        yield element("circle", cx=x, cy=y, r=plane.cell * 0.24, class_="refused")
    x, y = plane.at(0, 0)
    wide, high = plane.columns * plane.cell, plane.rows * plane.cell
    yield element("rect", x=x, y=y, width=wide, height=high, class_="frame")
    yield from _titles(found, plane)


def _filled(plane: _Plane, squares: Sequence[Square]) -> str:
    """One path, in which neighbours of a row are one piece."""
    parts = []
    for row, some in groupby(sorted(squares, key=lambda s: (s[1], s[0])), key=lambda s: s[1]):
        for _, run in groupby(enumerate(column for column, _ in some), key=lambda p: p[1] - p[0]):
            columns = [column for _, column in run]
            x, y = plane.at(columns[0], row)
            wide = len(columns) * plane.cell
            parts.append(f"M{x:g},{y:g}h{wide:g}v{plane.cell:g}h{-wide:g}z")
    return "".join(parts)


def _crosses(plane: _Plane, squares: Sequence[Square]) -> str:
    size = plane.cell * 0.5
    parts = []
    for column, row in squares:
        x, y = plane.at(column + 0.25, row + 0.25)
        parts.append(f"M{x:g},{y:g}l{size:g},{size:g}m0,{-size:g}l{-size:g},{size:g}")
    return "".join(parts)


def _titles(found: Reachability, plane: _Plane) -> Iterator[str]:
    """What a square tells when it is pointed at: of many pairs, those that fail."""
    columns = {name: number for number, name in enumerate(found.targets)}
    rows = {name: number for number, name in enumerate(found.sources)}
    told = found.pairs if len(found.pairs) <= _TITLED else found.failures[:_TITLED]
    for pair in told:
        x, y = plane.at(columns[pair.target], rows[pair.source])
        title = f"{pair.source} → {pair.target}: {fate(pair, found.timeout)}"
        inside = element("title", _text(title))
        yield element("rect", inside, x=x, y=y, width=plane.cell, height=plane.cell, class_="touch")


def _axes(found: Reachability, plane: _Plane) -> Iterator[str]:
    """Names, as many as can be read."""
    step = _thinned(plane.cell)
    for number in range(0, plane.rows, step):
        x, y = plane.at(0, number + 0.5)
        yield _words(found.sources[number], x - 7, y + 4, None, "end")
        yield element("path", d=f"M{x - 4:g},{y:g}H{x:g}", class_="tick")
    for number in range(0, plane.columns, step):
        x, y = plane.at(number + 0.5, 0)
        where = f"translate({x + 4:g} {y - 7:g}) rotate(-90)"
        yield element("text", _text(found.targets[number]), transform=where)
        yield element("path", d=f"M{x:g},{y - 4:g}V{y:g}", class_="tick")


def _thinned(cell: float) -> int:
    """Every how-manieth name has room: 1, 2, 5, 10 and so on."""
    steps = (step * int(10**power) for power in range(4) for step in _STEPS)
    return next((step for step in steps if step * cell >= _LINE), 10_000)


def _legend(
    found: Reachability, bounds: Sequence[int], kinds: Mapping[str, Sequence[Square]]
) -> tuple[list[str], float]:
    """What colours and shapes mean, and how wide that is."""
    colours = [(f"s{number}", _range(bounds, number)) for number in range(len(bounds) + 1)]
    entries = [entry for entry in colours if entry[0] in kinds]
    if "fail" in kinds:
        entries.append(("fail", "not reached" if found.protocol != "udp" else "no answer"))
    if "refused" in kinds:
        entries.append(("refused", "reached, and refused"))
    x, drawn = _MARGIN, []
    for kind, words in entries:
        drawn.append(_key(kind, x))
        drawn.append(_words(words, x + 21, 3, "small"))
        x += 21 + text_width(words, 12) + 18
    return drawn, x


def _key(kind: str, x: float) -> str:
    if kind == "refused":
        return element("circle", cx=x + 7, cy=0, r=4.5, class_="refused", stroke_width=1.5)
    square = element("rect", x=x, y=-7, width=14, height=14, class_=kind)
    if kind != "fail":
        return square
    cross = f"M{x + 3:g},-4l8,8m0,-8l-8,8"
    return square + element("path", d=cross, class_="cross", stroke_width=1.6)


def _range(bounds: Sequence[int], number: int) -> str:
    if not bounds:
        return "reached"
    if number == 0:
        return f"up to {_short(bounds[0])}"
    if number == len(bounds):
        return f"more than {_short(bounds[-1])}"
    return f"to {_short(bounds[number])}"


def _short(nanoseconds: int) -> str:
    """``50 µs``, not ``50.0 µs``."""
    number, unit = duration(nanoseconds).split()
    return f"{float(number):g} {unit}"
