"""Write the parts of the reference that follow from the code: tables, and the two schemas.

A page holds such a part between ``<!-- cli: run -->`` and ``<!-- end -->``; its name says what
it is made from:

  cli: COMMAND       the arguments and options of a command
  lab: PART          the keys of a part of the lab file (spec/schema.py)
  journeys: TYPE     the fields of a type of journeys.json (model/)
  reachability: TYPE the fields of a type of what reachability --json prints

Without arguments they are written; with --check nothing is, and what is out of date is named.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from hopscope.cli.app import COMMANDS
from hopscope.cli.words import Argument
from hopscope.model import codec
from hopscope.model.reachability import Reachability
from hopscope.model.reasons import REASONS
from hopscope.model.vocab import TABLES
from hopscope.spec.schema import json_schema

DOCS = Path(__file__).parents[1] / "docs"
PART = re.compile(
    r"(<!-- (cli|lab|journeys|reachability): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL
)
MODULES = (
    *("record", "reachability", "journey", "flow", "events"),
    *("snapshot", "devices", "traffic", "vocab"),
)


def main() -> None:
    """Write, or check."""
    wanted = {path: text for path, text in made() if not path.exists() or path.read_text() != text}
    if "--check" in sys.argv[1:]:
        stale = ", ".join(str(path.relative_to(DOCS.parent)) for path in wanted)
        sys.exit(f"out of date: {stale}; mend it with: python tools/reference.py" if stale else 0)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


def made() -> Iterator[tuple[Path, str]]:
    """Each file, and what should stand in it."""
    schemas = {
        "lab": json_schema(),
        "journeys": codec.schema(),
        "reachability": codec.schema(Reachability),
    }
    for name, schema in schemas.items():
        yield DOCS / "schema" / f"{name}.schema.json", json.dumps(schema, indent=2) + "\n"
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        yield page, PART.sub(lambda part: f"{part[1]}\n{_part(part[2], part[3])}\n{part[4]}", text)


def _part(kind: str, name: str) -> str:
    match kind:
        case "cli":
            return _command(name)
        case "lab":
            return _keys(name)
        case "journeys":
            return _fields(codec.schema(), name)
        case _:
            return _fields(codec.schema(Reachability), name)


def _table(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table; the line beneath its head has a dash for each column."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in lines
    )


def _command(name: str) -> str:
    command = next(one for one in COMMANDS if one.name == name)

    def rows() -> Iterator[tuple[str, str]]:
        for word in command.words:
            if isinstance(word, Argument):
                yield f"`{word.metavar}`", word.meaning
            else:
                names = filter(None, (*word.names, word.off))
                yield (
                    ", ".join(f"`{f'{one} {word.metavar}'.strip()}`" for one in names),
                    word.meaning,
                )

    return _table(("argument or option", "meaning"), rows())


def _keys(name: str) -> str:
    schema = json_schema()
    part = schema if name == "Lab" else schema["$defs"][name]
    needed = part.get("required", [])

    def rows() -> Iterator[tuple[str, ...]]:
        for key, value in part["properties"].items():
            default = "**required**" if key in needed else _default(value.get("default"))
            example = value.get("examples") or [None]
            shown = "" if example[0] is None else f"`{_flow(example[-1])}`"
            yield (
                f"`{key}`",
                _type(value).removesuffix(" or null"),
                default,
                f"{value['description']}{_limits(value)}",
                shown,
            )

    return _table(("key", "type", "default", "meaning", "example"), rows())


def _default(value: object) -> str:
    return "" if value in (None, "", [], {}) else f"`{json.dumps(value)}`"


def _limits(value: dict[str, Any]) -> str:
    if "maximum" not in value:
        return ""
    low = value.get("minimum", f"more than {value.get('exclusiveMinimum')}")
    return f" {low} to {value['maximum']}."


def _flow(value: object) -> str:
    """As YAML writes it in one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(below)}" for key, below in value.items()) + "}"
        case list():
            return "[" + ", ".join(_flow(below) for below in value) + "]"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _type(value: dict[str, Any]) -> str:
    """A type of JSON, in words."""
    match value:
        case {"$ref": ref}:
            return str(ref).rpartition("/")[2]
        case {"const": const}:
            return f"`{json.dumps(const)}`"
        case {"enum": names} if names == list(TABLES):
            return "table"
        case {"enum": names} if names == list(REASONS):
            return "cause"
        case {"enum": names}:
            return " or ".join(f"`{name}`" for name in names)
        case {"anyOf": types} | {"oneOf": types}:
            return " or ".join(dict.fromkeys(_type(one) for one in types if one))
        case {"type": "array", "prefixItems": types}:
            return "list: " + ", ".join(map(_type, types))
        case {"type": "array"}:
            return f"list of {_grouped(value['items'])}"
        case {"type": "object", "additionalProperties": {} as below}:
            return f"map of {_grouped(below)}"
        case {"type": "object", "patternProperties": below}:
            return f"map of {_grouped(next(iter(below.values())))}"
        case {"contentEncoding": coding}:
            return str(coding)
        case _:
            return {"null": "null", "string": "text"}.get(value["type"], str(value["type"]))


def _grouped(value: dict[str, Any]) -> str:
    """In brackets when it is more than one type."""
    told = _type(value).removesuffix(" or null")
    return f"({told})" if " or " in told else told


def _fields(schema: dict[str, Any], name: str) -> str:
    part = schema if name == schema["title"] else schema["$defs"][name]
    if "enum" in part:
        return " ".join(f"`{word}`" for word in _kind(name)) + "\n"
    notes = dict(_comments(name))

    def rows() -> Iterator[tuple[str, ...]]:
        for field, value in part["properties"].items():
            yield f"`{field}`", _type(value), notes.get(field, "")

    told = re.sub(r"(?<![\w*`])\*(\w+)\*", r"`\1`", _plain(part["description"]))
    return f"{told}\n\n" + _table(("field", "type", "note"), rows())


def _comments(name: str) -> Iterator[tuple[str, str]]:
    """What the source says behind a field, or in a text beneath it."""
    source = inspect.getsource(_kind(name))
    for found in re.finditer(
        r'^    (\w+): [^#\n]*?(?:  # (.*)|\n    """(.*)""")$', source, re.MULTILINE
    ):
        yield found[1], _plain(found[2] or found[3])


def _kind(name: str) -> Any:
    modules = (import_module(f"hopscope.model.{module}") for module in MODULES)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def _plain(text: str) -> str:
    """Words about Python, as words about JSON."""
    return re.sub(r"\bNone\b", "null", text.replace("``", "`"))


if __name__ == "__main__":
    main()
