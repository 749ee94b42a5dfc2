"""Text or bytes → tree, or the reasons why it is not YAML; knows nothing of labs."""

import re
from collections.abc import Iterator
from typing import Final, NoReturn, assert_never, cast

from msgspec import Struct
from msgspec.structs import replace
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from hopscope.errors import Place, Problem, SpecError
from hopscope.model.limits import LARGEST_FILE
from hopscope.model.naming import cut
from hopscope.spec.faults import near, shortened
from hopscope.spec.tree import (
    DEEPEST,
    Listing,
    Mapping,
    Scalar,
    Tree,
    listing,
    mapping,
    value,
    words,
)
from hopscope.spec.yamlwords import explained, lines_of

__all__ = ["Document", "read", "unprintable"]

_MOST_PARTS: Final = 100_000  # after aliases are expanded: a small file can mean a huge one
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


class Document(Struct, frozen=True, kw_only=True):
    """What was read, what is wrong with its form, and the names in what was left out."""

    tree: Mapping
    problems: tuple[Problem, ...] = ()
    believed: frozenset[str] = frozenset()


def read(text: str | bytes, file: str) -> Document:
    """The document of a lab file, though its form may be wrong here and there.

    Raises SpecError when there is nothing to read on with.
    """
    decoded = _decoded(text, file)
    reader = _Reader(decoded, file)
    tree = reader.document()
    start = Place(file, 1, 1)
    if tree is None or (isinstance(tree, Scalar) and value(tree) in (None, "")):
        hint = "start with 'name: my-lab', then 'nodes:' and 'links:'"
        _stop(start, "empty-file", "the lab file is empty", hint=hint)
    if not isinstance(tree, Mapping):
        what = "a list" if not isinstance(tree, Scalar) else f"the text {shortened(tree.text)}"
        message = f"a lab file is a mapping with 'name' and 'nodes', not {what}"
        _stop(tree.place, "not-a-mapping", message, hint="start with 'name: my-lab'")
    return Document(tree=tree, problems=tuple(reader.problems), believed=frozenset(reader.believed))


def unprintable(tree: Tree) -> Iterator[Problem]:
    """Texts in *tree*, made in Python, that no lab file could hold."""
    match tree:
        case Scalar(text=text, place=place):
            if (found := _UNPRINTABLE.search(text)) is not None:
                message = f"the character {found.group()!a} cannot stand in a lab"
                yield Problem(place=place, rule="not-text", message=message)
        case Mapping(entries=entries):
            for pair in entries:
                for part in pair:
                    yield from unprintable(part)
        case Listing(items=items):
            for item in items:
                yield from unprintable(item)
        case _:
            assert_never(tree)


def _stop(place: Place, rule: str, message: str, *, text: str = "", hint: str = "") -> NoReturn:
    raise SpecError([Problem(place=place, rule=rule, message=message, text=text, hint=hint)])


def _decoded(text: str | bytes, file: str) -> str:
    if len(text) > LARGEST_FILE:
        message = f"the lab file is larger than {LARGEST_FILE >> 20} MiB"
        _stop(Place(file, 1, 1), "too-big", message, hint="is this the right file?")
    if isinstance(text, bytes):
        text = _text_of(text, file)
    text = text.removeprefix("\ufeff")
    found = _UNPRINTABLE.search(text)
    if found is not None:
        message = f"the character {found.group()!a} cannot stand in a lab file"
        place = _place_of(text[: found.start()], file)
        _stop(place, "not-text", message, hint="is this the right file?")
    return text


def _text_of(data: bytes, file: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        place = _place_of(data[: error.start].decode(), file)
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        hint = "save it as UTF-8, not UTF-16" if wide else "save it as UTF-8"
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8 text"
        _stop(place, "not-text", message, hint=hint)


def _place_of(before: str, file: str) -> Place:
    *above, line = lines_of(before)
    return Place(file, len(above) + 1, len(line) + 1)


class _Reader:
    """Puts the events of one document together.

    *problems* are those it could read past, *believed* the names in what it left out.
    """

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self.believed: set[str] = set()
        self._text, self._file = text, file
        self._last = Place(file, 1, 1)
        self._events = self._parsed()
        self._anchors: dict[str, Tree] = {}
        self._parts = 0

    def document(self) -> Tree | None:
        """The one document; None when there is none."""
        root: Tree | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    message = "a second document begins here, and a lab file holds one lab"
                    _stop(self._start(event), "two-documents", message, hint="remove the '---'")
                root = self._node(next(self._events), 0)
        return root

    def _parsed(self) -> Iterator[Event]:
        """The parser's events. It is not ours: whatever it trips over is a fault of the text."""
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                self._last = self._start(event)
                yield event
        except YAMLError as error:
            raise SpecError([explained(error, self._text, self._last)]) from error
        except (ArithmeticError, LookupError, ValueError, TypeError, AttributeError) as error:
            # an escape beyond Unicode, for one, ends in an OverflowError inside the parser
            _stop(self._last, "yaml-syntax", f"this is not YAML: {error}")
        except (AssertionError, RecursionError, NotImplementedError):
            _stop(self._last, "yaml-syntax", "this is not YAML")

    def _start(self, event: Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _say(
        self, place: Place, rule: str, message: str, *, text: str = "", hint: str = ""
    ) -> None:
        self.problems.append(Problem(place=place, rule=rule, message=message, text=text, hint=hint))

    def _node(self, event: Event, depth: int) -> Tree:
        self._count(event, 1, depth)
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        if tag := getattr(event, "tag", None):
            message = f"lab files use no tags such as {cut(str(tag))}"
            self._say(self._start(event), "tag", message, text=str(tag), hint="remove it")
        tree: Tree
        match event:
            case MappingStartEvent():
                tree = self._mapping(event, depth)
            case SequenceStartEvent():
                tree = self._listing(event, depth)
            case _:  # nothing else begins a part
                tree = self._scalar(cast("ScalarEvent", event))
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = tree
        return tree

    def _count(self, event: Event, parts: int, depth: int) -> None:
        self._parts += parts
        if depth > DEEPEST:
            _stop(self._start(event), "too-deep", f"this is nested more than {DEEPEST} deep")
        if self._parts > _MOST_PARTS:
            message = f"the lab file has more than {_MOST_PARTS} parts"
            hint = "aliases (*name) count as often as they are used"
            _stop(self._start(event), "too-big", message, hint=hint)

    def _alias(self, event: AliasEvent, depth: int) -> Tree:
        place = self._start(event)
        meant = self._anchors.get(event.anchor)
        if meant is None:
            message = f"the alias *{cut(event.anchor)} stands for nothing that ended above it"
            hint = near(event.anchor, self._anchors)
            _stop(place, "unknown-alias", message, text=f"*{event.anchor}", hint=hint)
        self._count(event, meant.weight, depth + meant.height)
        return meant

    def _scalar(self, event: ScalarEvent) -> Scalar:
        start, end = event.start_mark, event.end_mark
        text: str = event.value
        place = self._start(event)
        found = _UNPRINTABLE.search(text)
        if found is not None:  # written as an escape: "\\0"
            message = f"the character {found.group()!a} cannot stand in a lab file"
            self._say(place, "not-text", message)
            text = _UNPRINTABLE.sub("?", text)
        quotes = end.column - start.column - len(text)
        verbatim = start.line == end.line and quotes in (0, 2)
        return Scalar(
            text=text,
            unquoted=not event.style,
            place=place,
            inset=quotes // 2 if verbatim else None,
        )

    def _listing(self, event: Event, depth: int) -> Tree:
        items: list[Tree] = []
        while not isinstance(following := next(self._events), SequenceEndEvent):
            items.append(self._node(following, depth + 1))
        return listing(items, self._start(event))

    def _mapping(self, event: Event, depth: int) -> Tree:
        entries: list[tuple[Scalar, Tree]] = []
        seen: dict[str, Place] = {}
        while not isinstance(following := next(self._events), MappingEndEvent):
            key = self._node(following, depth + 1)
            below = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar):
                self._say(key.place, "bad-key", "a key must be plain text, not a list or mapping")
                self.believed.update((*words(key), *words(below)))
                continue
            if key.text in seen:
                message = f"the key {shortened(key.text)} stands here a second time"
                hint = f"the first is in line {seen[key.text].line}; join or rename them"
                self._say(key.place, "duplicate-key", message, text=key.text, hint=hint)
                self.believed.update(words(below))
                continue
            seen[key.text] = key.place
            entries.append((key, _placed(below, key)))
        return mapping(entries, self._start(event))


def _placed(below: Tree, key: Scalar) -> Tree:
    """Where nothing is written, the key is the place to look at."""
    if isinstance(below, Scalar) and below.unquoted and not below.text:
        return replace(below, place=key.place, inset=None)
    return below
