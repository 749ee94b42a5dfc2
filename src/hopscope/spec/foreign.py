"""Other programs' YAML files: their trees with places, and notes of what a lab cannot hold."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hopscope.errors import Place, UsageError

__all__ = ["Foreign", "Note", "Notes"]


class Note(Struct, frozen=True, kw_only=True):
    """Something that was not carried over, or needs attention."""

    place: Place
    text: str

    def __str__(self) -> str:
        line = f":{self.place.line}" if self.place.line else ""
        return f"{self.place.file}{line}: {self.text}"


class Notes:
    """Notes in the order of the file; what is said of many places is said once, of the first."""

    def __init__(self) -> None:
        self._places: dict[str, list[Place]] = {}

    def add(self, place: Place, text: str) -> None:
        """One more."""
        places = self._places.setdefault(text, [])
        if place not in places:
            places.append(place)

    def all(self) -> tuple[Note, ...]:
        """Every note, with how many other places it is about."""
        notes = [
            Note(
                place=min(places),
                text=text if len(places) == 1 else f"{text} ({len(places)} times)",
            )
            for text, places in self._places.items()
        ]
        return tuple(sorted(notes, key=lambda note: note.place))


class Foreign:
    """A YAML file of another program."""

    def __init__(self, tree: Mapping[str, Any], file: str) -> None:
        self.tree = tree
        self.file = file

    @classmethod
    def read(cls, text: str, file: str) -> Self:
        """Raises UsageError, with the line, for what is no YAML or no mapping."""
        try:
            tree = YAML(typ="rt").load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark
            line = f":{mark.line + 1}" if mark is not None else ""
            message = f"{file}{line}: this is no YAML: {error.problem or error}"
            raise UsageError(message) from error
        except YAMLError as error:
            message = f"{file}: this is no YAML: {error}"
            raise UsageError(message) from error
        if not isinstance(tree, Mapping):
            message = f"{file}: a topology is a mapping of names, and this is none"
            raise UsageError(message)
        return cls(tree, file)

    def at(self, *path: str | int) -> Any:
        """What stands there; None when nothing does."""
        found: Any = self.tree
        for step in path:
            if isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(found, Sequence) and isinstance(step, int) and step < len(found):
                found = found[step]
            else:
                return None
        return found

    def mapping(self, *path: str | int) -> Mapping[str, Any]:
        """The mapping there; an empty one when there is none."""
        found = self.at(*path)
        return found if isinstance(found, Mapping) else {}

    def place(self, *path: str | int) -> Place:
        """Where the key, or the item, at *path* stands."""
        for depth in range(len(path), 0, -1):
            above = self.at(*path[: depth - 1])
            try:
                known = above.lc
                at = known.key if isinstance(above, Mapping) else known.item
                line, column = at(path[depth - 1])
            except (AttributeError, KeyError, TypeError):
                continue
            return Place(self.file, line + 1, column + 1)
        return Place(self.file, 0, 0)
