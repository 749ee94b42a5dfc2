"""A lab file, or a tree made in Python → a LabSpec that is sound, or every mistake in it.

text ─ source ─▶ tree ─ misfit, schema, short ─▶ Lab ─ build, replicas, addressing ─▶ LabSpec
─ check, telling ─▶ LabSpec
"""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from hopscope.errors import Place, Problem, SpecError
from hopscope.model.lab import Expect, LabSpec, PingStep
from hopscope.spec.build import build
from hopscope.spec.check import check
from hopscope.spec.misfit import fitted
from hopscope.spec.schema import json_schema
from hopscope.spec.scope import Listing
from hopscope.spec.source import read, unprintable
from hopscope.spec.telling import told
from hopscope.spec.tree import Mapping, Scalar, grown, locate, mapping

__all__ = ["Listing", "json_schema", "parse", "parse_expect", "parse_tree"]


def parse(source: str | bytes, file: str, *, listing: Listing | None = None) -> LabSpec:
    """The lab that a text declares; *listing* tells which sysctls this kernel has.

    Raises SpecError with every mistake, in the order of the file.
    """
    document = read(source, file)
    return _judged(document.tree, file, listing, document.problems, document.believed)


def parse_tree(tree: Mapping, file: str, *, listing: Listing | None = None) -> LabSpec:
    """The lab that a tree declares, by the rules of a text. See `tree.grown`.

    Raises SpecError with every mistake, in the order of their places.
    """
    problems = tuple(unprintable(tree))
    if problems:
        raise SpecError(_sorted(problems))
    return _judged(tree, file, listing)


def parse_expect(source: str, file: str, ping: dict[str, Any], place: Place) -> Expect | None:
    """What a ``ping`` step expects that stands at *place*, outside of the lab's own story.

    Raises SpecError with every mistake in it.
    """
    tree = read(source, file).tree
    story = Scalar(text="story", unquoted=True, place=place)
    step = grown([{"ping": ping}], place)
    declared = [entry for entry in tree.entries if entry[0].text != "story"]
    whole = mapping([*declared, (story, step)], tree.place)
    (asked,) = _judged(whole, file, None).story
    return asked.expect if isinstance(asked, PingStep) else None


def _judged(
    tree: Mapping,
    file: str,
    listing: Listing | None,
    earlier: Sequence[Problem] = (),
    believed: Collection[str] = (),
) -> LabSpec:
    fit = fitted(tree)
    names = fit.believed.union(believed)
    built = build(fit.lab, where=partial(locate, fit.tree), file=file, believed=names)
    problems = [
        *earlier,
        *fit.problems,
        *built.problems,
        *check(built, believed=names | built.believed, listing=listing),
    ]
    if problems:
        raise SpecError(_sorted(problems))
    return told(built.lab, built.replicas)


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    """In the order of places; what is said twice is said once."""
    return sorted(
        dict.fromkeys(problems),
        key=lambda problem: (problem.place.file, problem.place.line, problem.place.column),
    )
