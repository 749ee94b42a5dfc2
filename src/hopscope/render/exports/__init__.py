"""A declared lab in forms that others read: a script, pictures, containerlab's topology."""

from collections.abc import Callable, Mapping
from typing import Final

from hopscope.model.lab import LabSpec
from hopscope.render.exports import charts, containerlab, shell
from hopscope.render.exports.declared import declared
from hopscope.render.exports.unsaid import not_drawn
from hopscope.render.svg import clean
from hopscope.render.topology import picture

__all__ = ["FORMATS", "IMAGE", "SUFFIXES", "export"]

IMAGE: Final = containerlab.IMAGE

SUFFIXES: Final[Mapping[str, str]] = {
    ".sh": "sh",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
    ".yml": "containerlab",
    ".yaml": "containerlab",
}
"""How a file's name ends, and the format that is meant."""

_WRITERS: Final[Mapping[str, Callable[[LabSpec, str], str]]] = {
    "sh": lambda lab, _image: shell.script(lab),
    "mermaid": lambda lab, _image: charts.mermaid(lab),
    "dot": lambda lab, _image: charts.dot(lab),
    "svg": lambda lab, _image: _drawn(lab),
    "containerlab": containerlab.topology,
}

FORMATS: Final = tuple(_WRITERS)


def _drawn(lab: LabSpec) -> str:
    """The picture, and in a comment what it does not show."""
    said = "\n".join(not_drawn(lab)).replace("--", "- -")  # XML forbids it in a comment
    drawn = picture(declared(lab)).rstrip()
    return drawn.removesuffix("</svg>") + (f"<!-- {clean(said)} -->" if said else "") + "</svg>"


def export(lab: LabSpec, form: str, *, image: str = IMAGE) -> str:
    """The lab in the format *form*, one of `FORMATS`; *image* is for containerlab's nodes."""
    text = _WRITERS[form](lab, image)
    return text if text.endswith("\n") else text + "\n"
