"""A YAML document as a tree in which everything knows its place; knows nothing of labs."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol, assert_never

from msgspec import Struct
from msgspec.structs import replace

from hopscope.errors import Place, Problem, SpecError

__all__ = [
    "DEEPEST",
    "Listing",
    "Locate",
    "Mapping",
    "Path",
    "Scalar",
    "Trail",
    "Tree",
    "Wishes",
    "at",
    "edited",
    "grown",
    "listing",
    "locate",
    "mapping",
    "plain",
    "reads_as_number",
    "too_long",
    "trail",
    "value",
    "words",
]

Path = tuple[str | int, ...]
"""Keys and indexes from the top, in the long form: ("links", 0, "ends", 1).

A key that the lab spells in another way is also found by its index.
"""

Trail = tuple[int, ...]
"""Positions from the top, in the tree as written: entries and items are both counted."""

Wishes = dict[Trail, str | None]
"""Where a key is to be another; None: where what stands there is to be left out."""


class Scalar(Struct, frozen=True, kw_only=True):
    """A leaf. *inset* is how far its text begins behind *place*; None: not verbatim there."""

    text: str
    unquoted: bool  # so it may be a number, true, false or null
    place: Place
    inset: int | None = None
    weight: int = 1
    height: int = 0


class Mapping(Struct, frozen=True, kw_only=True):
    """Keys and values in order; made by `mapping`.

    *index* tells where a key stands, *weight* counts all that is below, *height* the levels.
    It is not *whole* when something was left out of it.
    """

    entries: "tuple[tuple[Scalar, Tree], ...]"
    place: Place
    index: dict[str, int]
    weight: int
    height: int
    whole: bool = True


class Listing(Struct, frozen=True, kw_only=True):
    """Items in order; made by `listing`. See `Mapping`."""

    items: "tuple[Tree, ...]"
    place: Place
    index: dict[str, int]
    weight: int
    height: int
    whole: bool = True


Tree = Scalar | Mapping | Listing

DEEPEST: Final = 32
"""Levels; a lab has nine."""


def mapping(entries: Sequence[tuple[Scalar, Tree]], place: Place, *, whole: bool = True) -> Mapping:
    """A mapping of these keys and values."""
    return Mapping(
        entries=tuple(entries),
        place=place,
        index={label.text: n for n, (label, _) in enumerate(entries)},
        weight=1 + sum(1 + below.weight for _, below in entries),
        height=1 + max((below.height for _, below in entries), default=0),
        whole=whole,
    )


def listing(items: Sequence[Tree], place: Place, *, whole: bool = True) -> Listing:
    """A list of these items."""
    return Listing(
        items=tuple(items),
        place=place,
        index={i.text: n for n, i in enumerate(items) if isinstance(i, Scalar)},
        weight=1 + sum(item.weight for item in items),
        height=1 + max((item.height for item in items), default=0),
        whole=whole,
    )


def grown(given: Any, place: Place) -> Tree:
    """The tree of Python's own values, all of it at *place*; trees within stay as they are.

    A text is a text, whatever it looks like. Raises SpecError when it is nested too deep.
    """
    return _grown(given, place, 0)


def _grown(given: Any, place: Place, depth: int) -> Tree:
    if depth > DEEPEST:
        message = f"this is nested more than {DEEPEST} deep"
        raise SpecError([Problem(place=place, rule="too-deep", message=message)])
    match given:
        case Scalar() | Mapping() | Listing():
            return given
        case dict():
            return mapping(
                [
                    (_leaf(label, place), _grown(below, place, depth + 1))
                    for label, below in given.items()
                ],
                place,
            )
        case list() | tuple():
            return listing([_grown(item, place, depth + 1) for item in given], place)
        case _:
            return _leaf(given, place)


def _leaf(given: Any, place: Place) -> Scalar:
    match given:
        case str():
            return Scalar(text=str(given), unquoted=False, place=place)
        case None:
            text = "null"
        case bool():
            text = str(given).lower()
        case int():
            text = str(int(given))
        case float():
            text = repr(float(given)).replace("inf", ".inf").replace("nan", ".nan")
        case _:
            message = f"a lab holds texts, numbers, lists and mappings, not {given!r}"
            raise TypeError(message)
    return Scalar(text=text, unquoted=True, place=place)


class Locate(Protocol):
    """Finds the place that a path speaks of."""

    def __call__(self, path: Path, *, key: bool = False, piece: str = "") -> Place:
        """See `locate`."""
        ...


def locate(tree: Tree, path: Path, *, key: bool = False, piece: str = "") -> Place:
    """The place of the value at *path*, of its *key*, or of a *piece* of its text.

    Goes as far as the tree does, so it also finds what was written in a short form.
    """
    spot: Tree = tree
    label: Scalar | None = None
    for number, part in enumerate(path, 1):
        position = _position(spot, part, last=number == len(path))
        if position is not None:
            label, spot = _child(spot, position)
        elif not _skips(spot, part):
            label = None
            break
    if key and label is not None:
        return label.place
    return _piece_of(spot, piece) if piece else spot.place


def trail(tree: Tree, path: Path) -> Trail:
    """The positions that lead to the value at *path*, as far as the tree goes."""
    spot: Tree = tree
    found: list[int] = []
    for number, part in enumerate(path, 1):
        position = _position(spot, part, last=number == len(path))
        if position is not None:
            found.append(position)
            spot = _child(spot, position)[1]
        elif not _skips(spot, part):
            break
    return tuple(found)


def at(tree: Tree, steps: Trail) -> Tree:
    """The part of *tree* that *steps* lead to."""
    for position in steps:
        tree = _child(tree, position)[1]
    return tree


def edited(tree: Tree, wishes: Wishes) -> Tree:
    """*tree* with other keys, or without some of its parts; one pass for all of them."""
    below: dict[int, dict[Trail, str | None]] = {}
    for (first, *rest), name in wishes.items():
        below.setdefault(first, {})[tuple(rest)] = name
    match tree:
        case Mapping(entries=entries, place=place, whole=whole):
            kept = list(_kept(entries, below))
            return mapping(kept, place, whole=whole and len(kept) == len(entries))
        case Listing(items=items, place=place, whole=whole):
            left = [
                _inner(item, below.get(number))
                for number, item in enumerate(items)
                if () not in below.get(number, ())
            ]
            return listing(left, place, whole=whole and len(left) == len(items))
        case Scalar():
            raise IndexError(*below)
        case _:
            assert_never(tree)


def _kept(
    entries: Sequence[tuple[Scalar, Tree]], below: dict[int, dict[Trail, str | None]]
) -> Iterator[tuple[Scalar, Tree]]:
    for number, (label, spot) in enumerate(entries):
        wishes = below.get(number, {})
        name = wishes.pop((), label.text)
        if name is not None:
            yield replace(label, text=name), _inner(spot, wishes)


def _inner(tree: Tree, wishes: Wishes | None) -> Tree:
    return edited(tree, wishes) if wishes else tree


def plain(tree: Tree) -> Any:
    """The tree as Python's own values, by the core schema of YAML 1.2."""
    match tree:
        case Scalar():
            return value(tree)
        case Mapping(entries=entries):
            return {label.text: plain(below) for label, below in entries}
        case Listing(items=items):
            return [plain(item) for item in items]
        case _:
            assert_never(tree)


_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE: Final = frozenset(("true", "True", "TRUE"))
_FALSE: Final = frozenset(("false", "False", "FALSE"))
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_LONGEST_INTEGER: Final = 18  # int() itself refuses very long ones; no lab needs them


def value(scalar: Scalar) -> str | int | float | bool | None:
    """What a leaf means; 12:30:45 and ``no`` are text, as YAML 1.2 has it."""
    text = scalar.text
    if not scalar.unquoted:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text) and len(text.lstrip("+-")) <= _LONGEST_INTEGER:
        based = text.startswith(("0o", "0x"))
        return int(text, 0) if based else int(text)
    if _NUMBER.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def reads_as_number(text: str) -> bool:
    """Whether it is one without the quotes around it."""
    return _INTEGER.fullmatch(text) is not None or _NUMBER.fullmatch(text) is not None


def too_long(scalar: Scalar) -> bool:
    """Whether it is a whole number of so many digits that `value` takes it for none."""
    whole = scalar.unquoted and _INTEGER.fullmatch(scalar.text) is not None
    return whole and len(scalar.text.lstrip("+-")) > _LONGEST_INTEGER


def words(tree: Tree) -> Iterator[str]:
    """Every name that occurs in *tree*, whatever it stands for."""
    match tree:
        case Scalar(text=text):
            yield text
            yield from re.split(r"[\s:/@>,]+", text)
        case Mapping(entries=entries):
            for label, below in entries:
                yield from words(label)
                yield from words(below)
        case Listing(items=items):
            for item in items:
                yield from words(item)
        case _:
            assert_never(tree)


def _skips(tree: Tree, part: str | int) -> bool:
    """Whether *part* is one that a short form leaves out: of a list, or a list of one mapping."""
    return isinstance(tree, Listing) or (isinstance(tree, Mapping) and isinstance(part, int))


def _position(tree: Tree, part: str | int, *, last: bool) -> int | None:
    """Where *part* stands; a mapping's parts have an index only at the end of a path."""
    match tree:
        case Mapping(index=index) if isinstance(part, str):
            return index.get(part)
        case Listing(index=index) if isinstance(part, str):
            return index.get(part)
        case Mapping() if not last:
            return None
        case Listing(items=parts) | Mapping(entries=parts) if isinstance(part, int):
            return part if part < len(parts) else None
        case _:
            return None


def _child(tree: Tree, position: int) -> tuple[Scalar | None, Tree]:
    match tree:
        case Mapping(entries=entries):
            return entries[position]
        case Listing(items=items):
            return None, items[position]
        case Scalar():
            raise IndexError(position)
        case _:
            assert_never(tree)


def _piece_of(tree: Tree, piece: str) -> Place:
    """Where *piece* stands as a word of its own in the text of a leaf."""
    if not isinstance(tree, Scalar) or tree.inset is None:
        return tree.place
    found = re.search(rf"(?<![\w.-]){re.escape(piece)}(?![\w.-])", tree.text)
    if found is None:
        return tree.place
    return tree.place._replace(column=tree.place.column + tree.inset + found.start())
