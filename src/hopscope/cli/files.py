"""check, schema: what concerns files alone and touches no kernel."""

import json as jsonlib
import sys

from hopscope.errors import ExitCode, SpecError, UsageError
from hopscope.lab.declare import parse, source_of
from hopscope.model import codec
from hopscope.spec import json_schema

__all__ = ["check", "schema"]


def check(file: str, *, json: bool) -> None:
    """Every mistake of a lab file, each with its place; ``-`` is standard input."""
    source, name = (sys.stdin.buffer.read(), "<stdin>") if file == "-" else source_of(file)
    problems = []
    try:
        spec = parse(source, name)
    except SpecError as error:
        problems = list(error.problems)
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
        counts = f"{len(spec.nodes)} nodes, {len(spec.links)} links, {len(spec.story)} steps"
        sys.stdout.write(f"{name}: lab {spec.name!r} is right: {counts}\n")
    if problems:
        sys.exit(ExitCode.USAGE)


def schema(what: str) -> None:
    """A JSON Schema on standard output."""
    known = {"lab": json_schema, "journeys": codec.schema}
    if what not in known:
        message = f"no schema of {what!r}; there is one of: {', '.join(known)}"
        raise UsageError(message)
    sys.stdout.write(jsonlib.dumps(known[what](), indent=2) + "\n")
