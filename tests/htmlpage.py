"""A page read back into elements, and what holds of every page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

from hopscope.model.record import Record
from hopscope.render.html import report

__all__ = ["Element", "check_page", "page"]

VOID = {"meta", "link", "br", "hr", "img", "input", "line", "circle", "rect", "path"}


@dataclass
class Element:
    """One element of a page as read back."""

    tag: str
    attributes: dict[str, str]
    content: list["Element | str"] = field(default_factory=list)

    def __iter__(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            yield from child

    @property
    def children(self) -> list["Element"]:
        """The elements directly in it."""
        return [one for one in self.content if isinstance(one, Element)]

    @property
    def text(self) -> str:
        """All its text in order, spaces folded."""
        parts = (one if isinstance(one, str) else one.text for one in self.content)
        return " ".join(" ".join(parts).split())

    def all(self, tag: str = "", kind: str = "") -> list["Element"]:
        """Elements below it, by tag and class."""
        return [
            one
            for one in self
            if (not tag or one.tag == tag)
            and (not kind or kind in one.attributes.get("class", "").split())
        ]

    def by_id(self, name: str) -> "Element":
        """The one element of that id."""
        (found,) = [one for one in self if one.attributes.get("id") == name]
        return found


class Reader(HTMLParser):
    """Reads a page into elements, and refuses tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.open[-1].content.append(element)

    def handle_endtag(self, tag: str) -> None:
        """The last open element ends, and no other."""
        if tag in VOID:
            return
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """A text of the last open element."""
        if self.open[-1].tag not in ("script", "style"):
            self.open[-1].content.append(data)


def page(of: Record) -> Element:
    """The report of a record, read back."""
    reader = Reader()
    reader.feed(report(of))
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is never closed"
    return reader.root


def check_page(root: Element) -> None:
    """What holds of every page: one language, one h1, headings in order, links that lead."""
    (html,) = root.all("html")
    assert html.attributes["lang"] == "en"
    headings = [int(one.tag[1]) for one in root if re.fullmatch("h[1-6]", one.tag)]
    assert headings.count(1) == 1
    assert headings[0] == 1
    for before, after in pairwise(headings):
        assert after <= before + 1, headings
    ids = [one.attributes["id"] for one in root if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in root:
        for name in one.attributes.get("aria-labelledby", "").split():
            assert name in ids
        goal = one.attributes.get("href", "")
        if goal.startswith("#"):
            assert goal[1:] in ids, goal
    for tag in ("main", "header", "nav", "footer", "title"):
        assert len([one for one in root.all(tag) if tag != "title" or not _in_svg(root, one)]) == 1
    assert not [one for one in root if any(key.startswith("on") for key in one.attributes)]
    assert not root.all("img")
    assert len(root.all("script")) == 1
    assert not [one for one in root if "src" in one.attributes]


def _in_svg(root: Element, wanted: Element) -> bool:
    return any(one is wanted for svg in root.all("svg") for one in svg)
