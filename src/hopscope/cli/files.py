"""check, schema: what concerns files alone, and builds no lab."""

import json as jsonlib
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Any

from hopscope.cli.hints import tell_notes
from hopscope.cli.sources import source_of
from hopscope.errors import ExitCode, SpecError, UsageError
from hopscope.lab.declare import parse
from hopscope.model import codec
from hopscope.model.reachability import Reachability
from hopscope.spec import json_schema

__all__ = ["check", "schema"]


def check(file: str, *, json: bool, rules: bool) -> None:
    """Every mistake of a lab file, each with its place; ``-`` is standard input.

    *rules*: those of the firewall are given to their tools, once nothing else is wrong.
    """
    source, name = source_of(file)
    problems = []
    try:
        spec = parse(source, name)
    except SpecError as error:
        problems = list(error.problems)
    else:
        if rules:
            from hopscope.lab.ruletrial import refused_rules

            problems = list(refused_rules(spec))
    if json:
        rows = [
            {
                "file": p.place.file,
                "line": p.place.line,
                "column": p.place.column,
                "rule": p.rule,
                "message": p.message,
                "text": p.text,
                "hint": p.hint,
            }
            for p in problems
        ]
        sys.stdout.write(jsonlib.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    elif problems:
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        sys.stderr.write(f"{count} in {name}\n")
    else:
        parts = (("node", spec.nodes), ("link", spec.links), ("step", spec.story))
        counts = ", ".join(f"{len(some)} {what}{'s' * (len(some) != 1)}" for what, some in parts)
        sys.stdout.write(f"{name}: lab {spec.name!r} is right: {counts}\n")
        tell_notes(spec)
    if problems:
        sys.exit(ExitCode.USAGE)


def schema(what: str) -> None:
    """A JSON Schema on standard output."""
    known: dict[str, Callable[[], dict[str, Any]]] = {
        "lab": json_schema,
        "journeys": codec.schema,
        "reachability": partial(codec.schema, Reachability),
    }
    if what not in known:
        near = get_close_matches(what, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is one of: {', '.join(known)}"
        message = f"no schema of {what!r}; {hint}"
        raise UsageError(message)
    sys.stdout.write(jsonlib.dumps(known[what](), indent=2) + "\n")
