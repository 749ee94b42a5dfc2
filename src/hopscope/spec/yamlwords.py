"""What the YAML parser's complaints mean in plain words; knows nothing of labs."""

import re
from collections.abc import Sequence
from typing import Final

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hopscope.errors import Place, Problem

__all__ = ["explained", "lines_of"]

_SHOWN: Final = 200
_WORDS: Final = (
    # a fragment of the parser's own words, a sentence, a hint
    (
        "mapping values are not allowed",
        "a ': ' stands where no key can be",
        "indent the line like its neighbours, or put a text that contains ': ' in quotes",
    ),
    (
        "could not find expected ':'",
        "this is neither 'key: value' nor a continuation of the line above",
        "end the key with ':', or indent the line like its neighbours",
    ),
    (
        "but found '}'",
        "a '}' stands here that closes nothing",
        "remove it, or open the mapping with '{'",
    ),
    (
        "but found ']'",
        "a ']' stands here that closes nothing",
        "remove it, or open the list with '['",
    ),
    (
        "but found '<scalar>'",
        "this text belongs to nothing before it",
        "put the whole value in quotes, or indent the line like its neighbours",
    ),
    (
        "expected '<document start>'",
        "this belongs to nothing above it",
        "begin the line in the same column as its neighbours",
    ),
    (
        "expected <block end>",
        "this line does not fit the indentation of the lines above it",
        "lines of one mapping or list begin in the same column",
    ),
    (
        "found unexpected end of stream",
        "a quote is opened here and never closed",
        "close it on the same line",
    ),
    (
        "found unexpected document separator",
        "a quote is opened here and never closed",
        "close it on the same line",
    ),
    (
        "sequence entries are not allowed",
        "a '- ' stands where no list item can be",
        "put each item on a line of its own below the key",
    ),
    (
        "mapping keys are not allowed",
        "a '? ' stands where no key can be",
        "put a text that begins with '?' in quotes",
    ),
    (
        "expected ',' or ']'",
        "a list is opened with '[' and not closed, or a ',' is missing in it",
        "write [a, b]",
    ),
    (
        "expected ',' or '}'",
        "a mapping is opened with '{' and not closed, or a ',' is missing in it",
        "write {key: value, key: value}",
    ),
    (
        "that cannot start any token",
        "a value cannot begin with this character",
        "put the value in quotes",
    ),
    (
        "found unknown escape character",
        "this backslash escape does not exist",
        "in single quotes a backslash is only a backslash",
    ),
    (
        "expected the node content",
        "a value is missing here",
        "close what is open, or put a text that begins with a special character in quotes",
    ),
    (
        "expected alphabetic or numeric character",
        "'&' and '*' begin the name of an anchor or alias, and no name follows",
        "put a text that begins with '*' or '&' in quotes",
    ),
)
_OPENED: Final = (
    "while scanning a quoted scalar",
    "while scanning a double-quoted scalar",
    "while parsing a flow sequence",
    "while parsing a flow mapping",
)


def explained(error: YAMLError, text: str, last: Place) -> Problem:
    """One problem for one complaint; *last* is where the parser had got to."""
    if not isinstance(error, MarkedYAMLError):
        first = str(error).partition("\n")[0]
        message = f"this is not YAML: {first}"
        return Problem(place=last, rule="yaml-syntax", message=message)
    lines = lines_of(text)
    place = _within(_place(error, last), lines)
    line = lines[place.line - 1]
    shown = line.strip()[:_SHOWN]
    if (tab := _tab(error, line)) is not None:
        return Problem(
            place=Place(place.file, place.line, tab),
            rule="tab",
            message="a tab stands here, and YAML wants spaces",
            text=shown,
            hint="replace each tab by two spaces",
        )
    said = f"{error.context or ''} {error.problem or ''}".replace("('", "'").replace("',)", "'")
    message, hint = next(
        (words for fragment, *words in _WORDS if fragment in said),
        (f"this is not YAML: {error.problem or error.context or 'it cannot be read'}", ""),
    )
    return Problem(place=place, rule="yaml-syntax", message=message, text=shown, hint=hint)


def lines_of(text: str) -> list[str]:
    """The lines of *text* as YAML 1.2 counts them; after the last line end one more begins."""
    return re.split(r"\r\n|[\n\r]", text)


def _within(place: Place, lines: Sequence[str]) -> Place:
    """The end of the text is shown at the end of its last line."""
    if place.line < len(lines) or lines[-1] or len(lines) == 1:
        return place
    return Place(place.file, len(lines) - 1, len(lines[-2]) + 1)


def _place(error: MarkedYAMLError, last: Place) -> Place:
    """What is opened and not closed is shown where it is opened, once its line has ended."""
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    if opened is not None and str(error.context).startswith(_OPENED):
        unclosed = "unexpected" in str(error.problem) or "'<stream end>'" in str(error.problem)
        if unclosed or (mark is not None and mark.line > opened.line):
            mark = opened
    return last if mark is None else Place(last.file, mark.line + 1, mark.column + 1)


def _tab(error: MarkedYAMLError, line: str) -> int | None:
    """The column of a tab among the blanks that begin *line*; block texts may hold tabs."""
    blanks = line[: len(line) - len(line.lstrip())]
    if "\t" in blanks:
        return blanks.index("\t") + 1
    if "'\\t'" in str(error.problem) and "\t" in line:
        return line.index("\t") + 1
    return None
