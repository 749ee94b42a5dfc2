"""What does not fit the schema, as problems; and the tree without it, so the rest is checked.

An unknown key that was probably meant to be another is read as that one. Anything else that
does not fit is left out, and the names in it are believed: one mistake, one problem.
"""

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hopscope.errors import Problem
from hopscope.model.naming import cut
from hopscope.spec.faults import near, nearest, shortened
from hopscope.spec.schema import Lab
from hopscope.spec.tree import (
    Mapping,
    Path,
    Scalar,
    Trail,
    Tree,
    at,
    edited,
    locate,
    plain,
    reads_as_number,
    too_long,
    trail,
    value,
    words,
)

__all__ = ["Fitted", "fitted"]

_WANTED: Final = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "list_type": "a list",
}
_THINGS: Final = {
    "Lab": "a lab file",
    "Node": "a node",
    "Pool": "a pool",
    "Address": "an address",
    "Process": "a process",
    "Ready": "'ready'",
    "Bridge": "a bridge",
    "Vlan": "a VLAN",
    "Route": "a route",
    "NextHop": "a next hop",
    "Policy": "a policy rule",
    "Link": "a link",
    "End": "the end of a link",
    "Device": "a device",
    "Rate": "a rate",
    "Step": "a step of the story",
    "Show": "'show'",
    "Ping": "'ping'",
    "PingExpect": "what a ping expects",
    "Drop": "'drop'",
    "TableExpect": "'expect'",
}
_LISTS_OF_MORE: Final = ("story", "links")  # a text is no item of these
_MERGE: Final = "YAML 1.2 merges no mappings: write the keys out"
_CONSEQUENCES: Final = frozenset(("one-key", "bad-link", "missing-key"))


class Fitted(Struct, frozen=True, kw_only=True):
    """A lab that fits the schema, the tree it was read from, and what was left out of it."""

    lab: Lab
    tree: Tree
    problems: tuple[Problem, ...]
    believed: frozenset[str]  # names in the parts left out: they may well exist


class _Misfit(Struct, frozen=True, kw_only=True):
    """One complaint of pydantic's. *meant* is the key that an unknown one is read as."""

    path: Path
    steps: Trail  # to what is to be renamed or left out
    holder: Trail  # to the mapping or list in which it stands, or which lacks it
    problem: Problem
    meant: str | None = None


def fitted(tree: Tree) -> Fitted:
    """Read *tree* by the schema; what does not fit becomes problems."""
    problems: list[Problem] = []
    believed: set[str] = set()
    while True:
        try:
            lab = Lab.model_validate(plain(tree))
        except ValidationError as error:
            misfits = _open(list(_misfits(error, tree)))
            for misfit in misfits:
                if not (misfit.problem.rule in _CONSEQUENCES and _cut(tree, misfit.steps)):
                    problems.append(misfit.problem)
                if misfit.meant is None:
                    believed.update(_names(tree, misfit.steps))
            tree = edited(tree, {misfit.steps: misfit.meant for misfit in misfits})
        else:
            return Fitted(
                lab=lab, tree=tree, problems=tuple(problems), believed=frozenset(believed)
            )


def _open(misfits: Sequence[_Misfit]) -> list[_Misfit]:
    """Those to deal with now: a missing key may be one that is there, mistyped."""
    mistyped = {misfit.holder for misfit in misfits if misfit.meant is not None}
    return [
        misfit
        for misfit in misfits
        if not (misfit.problem.rule == "missing-key" and misfit.holder in mistyped)
    ]


def _cut(tree: Tree, steps: Trail) -> bool:
    """Whether what is missing there is something that we took away."""
    spot = at(tree, steps)
    return not (isinstance(spot, Scalar) or spot.whole)


def _misfits(error: ValidationError, tree: Tree) -> Iterator[_Misfit]:
    given: set[tuple[Trail, str]] = set()  # two keys are never read as the same one
    for detail in (one for told in error.errors(include_url=False) for one in _each(told)):
        path = _path(detail)
        steps = trail(tree, path)
        missing = detail["type"] == "missing"
        meant = None
        if detail["type"] == "extra_forbidden":
            meant = _meant(path, at(tree, steps[:-1]))
        if meant is not None and (steps[:-1], meant) in given:
            meant = None
        if meant is not None:
            given.add((steps[:-1], meant))
        holder = steps if missing else steps[:-1]
        problem = _problem(detail, path, tree)
        yield _Misfit(path=path, steps=steps, holder=holder, problem=problem, meant=meant)


def _each(told: ErrorDetails) -> Iterator[ErrorDetails]:
    """One that stands for several (`refusals.together`), one by one."""
    yield told
    for context in told.get("ctx", {}).get("also", ()):
        yield {**told, "ctx": context}


def _path(detail: ErrorDetails) -> Path:
    further: Path = detail.get("ctx", {}).get("at", ())
    return (*(part for part in detail["loc"] if part != "[key]"), *further)


def _meant(path: Path, holder: Tree) -> str | None:
    """The key of the schema that the last one of *path* is a slip of."""
    meant = nearest(str(path[-1]), _keys(_model_at(path[:-1])))
    taken = isinstance(holder, Mapping) and meant in holder.index
    return None if taken else meant


def _names(tree: Tree, steps: Trail) -> Iterator[str]:
    for position in steps:
        if isinstance(tree, Mapping):
            yield from words(tree.entries[position][0])
        tree = at(tree, (position,))
    yield from words(tree)


def _problem(detail: ErrorDetails, path: Path, tree: Tree) -> Problem:
    key, on_key = str(path[-1]), detail["loc"][-1:] == ("[key]",)
    match detail["type"]:
        case "extra_forbidden":
            model = _model_at(path[:-1])
            return Problem(
                place=locate(tree, path, key=True),
                rule="unknown-key",
                message=f"{shortened(key)} is not a key of {_THINGS[model.__name__]}",
                text=key,
                hint=_MERGE if key == "<<" else near(key, _keys(model)),
            )
        case "missing":
            thing = _THINGS[_model_at(path[:-1]).__name__]
            return Problem(
                place=locate(tree, path[:-1]),
                rule="missing-key",
                message=f"{thing} needs the key {key!r}",
                text=key,
            )
        case "refused":
            told = detail["ctx"]
            return Problem(
                place=locate(tree, path, key=on_key or told["key"]),
                rule=told["rule"],
                message=told["said"],
                text=told["text"],
                hint=told["hint"],
            )
        case kind:
            expected = _WANTED.get(kind) or detail.get("ctx", {}).get("expected")
            return _wrong_type(path, tree, expected or detail["msg"])


def _wrong_type(path: Path, tree: Tree, expected: str) -> Problem:
    found = at(tree, trail(tree, path))
    item = isinstance(path[-1], int)
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    subject = f"an item of {shortened(name)}" if item else shortened(name)
    if isinstance(found, Scalar) and too_long(found) and "number" in expected[:14]:
        return Problem(
            place=locate(tree, path),
            rule="out-of-range",
            message=f"{subject} cannot be {cut(found.text)}",
            text=found.text,
            hint="no number here has more than 18 digits",
        )
    return Problem(
        place=locate(tree, path),
        rule="wrong-type",
        message=f"{subject} must be {expected}, not {_described(found)}",
        text=found.text if isinstance(found, Scalar) else "",
        hint=_type_hint(expected, found, texts=name not in _LISTS_OF_MORE),
    )


def _described(found: Tree) -> str:
    if not isinstance(found, Scalar):
        return "a mapping" if isinstance(found, Mapping) else "a list"
    match value(found):
        case None:
            return "nothing"
        case str(text):
            return f"the text {shortened(text)}"
        case _:
            return cut(found.text)


def _type_hint(expected: str, found: Tree, *, texts: bool) -> str:
    if not isinstance(found, Scalar):
        return ""
    meaning = value(found)
    if meaning is None:
        return "write a value, or remove the line"
    if expected == "true or false":
        return "YAML 1.2 knows true and false, not yes, no, on or off"
    if expected.startswith("a text") and not isinstance(meaning, str):
        return f'put it in quotes: "{cut(found.text)}"'
    if expected == "a list":
        short = texts and len(found.text) < 40
        return f"write [{found.text}]" if short else "begin each item with '- '"
    if isinstance(meaning, str) and "number" in expected and reads_as_number(meaning):
        return "write it without quotes"
    return ""


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(path: Path) -> type[BaseModel]:
    """The model that describes what stands at *path*."""
    spot: Any = Lab
    for part in path:
        spot = _peeled(_below(spot, part))
    model: type[BaseModel] = spot
    return model


def _below(spot: Any, part: str | int) -> Any:
    if get_origin(spot) in (list, dict):
        return get_args(spot)[-1]
    fields = spot.model_fields.items()
    return next(field.annotation for name, field in fields if (field.alias or name) == part)


def _peeled(annotation: Any) -> Any:
    """What is below Annotated and Optional."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation
