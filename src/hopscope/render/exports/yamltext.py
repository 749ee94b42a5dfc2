"""Plain mappings, lists and values → YAML that reads as if written by hand, with comments."""

from collections.abc import Collection, Mapping, Sequence
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

__all__ = ["dumped"]

Path = tuple[str, ...]

_SHORT: Final = 64  # characters; what is longer is given lines of its own
_WIDTH: Final = 4096  # a text is never broken


def dumped(
    tree: Mapping[str, Any],
    *,
    head: Sequence[str] = (),
    comments: Mapping[Path, str] | None = None,
    tall: int = 2,
    lists: Collection[str] = (),
) -> str:
    """The YAML text; *head* are lines of comment on top, *comments* stand behind the keys at paths.

    Whatever a comment holds, it stays one.

    Down to the depth *tall*, whatever holds something has a line for each thing in it; below,
    what is short stands in one line, unless it belongs to one of the keys *lists*.
    """
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    made = _made(tree, tall, lists)
    for path, said in (comments or {}).items():
        _at(made, path[:-1]).yaml_add_eol_comment(f"# {' '.join(_lines(said))}", path[-1])
    out = StringIO()
    out.writelines(f"# {line}".rstrip() + "\n" for entry in head for line in _lines(entry))
    yaml.dump(made, out)
    return out.getvalue()


def _lines(text: str) -> list[str]:
    """Its lines, whatever parts them, in characters that YAML takes."""
    return [
        "".join(one if one.isprintable() else " " for one in line)
        for line in text.splitlines() or [""]
    ]


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def _made(value: Any, tall: int, lists: Collection[str]) -> Any:
    """With ruamel's own containers, which know how they are to be written."""
    if isinstance(value, Mapping):
        made: Any = CommentedMap(
            (key, _made(below, 1 if key in lists else tall - 1, lists))
            for key, below in value.items()
        )
    elif isinstance(value, list | tuple):
        made = CommentedSeq(_made(below, tall - 1, lists) for below in value)
    elif isinstance(value, str) and "\n" in value:
        from ruamel.yaml.scalarstring import LiteralScalarString  # noqa: PLC0415 - wanted by few

        return LiteralScalarString(value)
    else:
        return value
    if (tall <= 0 and _is_short(value)) or not value:
        made.fa.set_flow_style()
    return made


def _is_short(value: Any) -> bool:
    return len(str(value)) <= _SHORT and "\\n" not in str(value)
