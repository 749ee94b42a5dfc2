"""Import: what others built with, a topology or a shell script → a lab file."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from hopscope.errors import SpecError, UsageError
from hopscope.lab.declare import parse
from hopscope.lab.imports.imported import Imported
from hopscope.lab.imports.naming import node_names
from hopscope.lab.imports.netlab import from_netlab
from hopscope.lab.imports.script import SECONDS, from_script
from hopscope.lab.imports.topology import from_topology
from hopscope.render.exports.yamltext import dumped
from hopscope.spec import containerlab, netlab
from hopscope.spec.foreign import Foreign, Note

__all__ = ["FORMATS", "SECONDS", "import_lab"]

_NETLAB: Final = re.compile(
    r"^(provider|defaults|defaults\.[\w.]+|module|addressing|groups|plugin)\s*:", re.MULTILINE
)
"""Keys that a lab file does not have."""

FORMATS: Final = ("containerlab", "netlab", "sh")


def import_lab(
    text: str,
    file: str,
    *,
    form: str | None = None,
    name: str | None = None,
    arguments: Sequence[str] = (),
    seconds: float = SECONDS,
    uplink: str | None = None,
) -> tuple[str, tuple[Note, ...]]:
    """The text of a lab file that makes what *text* makes; and notes of what is not in it.

    *form* is one of `FORMATS`, or is found out. *arguments*, *seconds*, a limit, and *uplink*, a
    device with a default route, are for a script. Raises UsageError for what is neither,
    CannotError when no sandbox can be had.
    """
    form = form or _form(text, file)
    if form == "sh":
        name = name or _name(PurePath(file).stem)
        found = from_script(
            text, file, name=name, arguments=arguments, seconds=seconds, uplink=uplink
        )
    elif form == "netlab":
        plan = netlab.netlab_topology(text, file)
        found = from_netlab(plan, name=name or _name(plan.name))
    else:
        topology = containerlab.topology(text, file)
        found = from_topology(topology, name=name or _name(topology.name))
    written = _written(found, file)
    return written, (*found.notes, *_mistakes(written, file))


def _form(text: str, file: str) -> str:
    """By what stands in it, rather than by its name."""
    if text.startswith("#!") or file.endswith((".sh", ".bash")):
        return "sh"
    if re.search(r"^topology\s*:", text, re.MULTILINE):
        return "containerlab"
    if _NETLAB.search(text) and re.search(r"^(nodes|links)\s*:", text, re.MULTILINE):
        return "netlab"
    if re.search(r"^(nodes|links)\s*:", text, re.MULTILINE):
        message = f"{file}: this is no topology of another tool; is it a lab file already?"
        raise UsageError(message)
    if re.search(r"^\s*(sudo\s+)?(ip|brctl|bridge|sysctl|iptables)\s", text, re.MULTILINE):
        return "sh"
    if file.endswith((".yaml", ".yml")):
        Foreign.read(text, file)  # what is no YAML is told with its line
    message = f"{file} is no topology of containerlab or netlab, and no shell script"
    raise UsageError(message)


def _name(wanted: str) -> str:
    """One that a lab may have."""
    return str(next(iter(node_names([wanted.removesuffix(".clab") or "lab"]).values())))


def _written(found: Imported, file: str) -> str:
    """The lab file, with the notes on top."""
    head = [f"Imported from {file} by hopscope import."]
    if found.notes:
        head += ["", "What needs attention:", *(f"  {note}" for note in found.notes)]
    comments: dict[tuple[str, ...], str] = {
        ("nodes", name): said for name, said in found.comments.items()
    }
    return dumped(found.tree, head=head, comments=comments)


def _mistakes(written: str, file: str) -> Sequence[Note]:
    """What `hopscope check` will say of it: the kernel takes more than a lab file does."""
    try:
        parse(written, file)
    except SpecError as error:
        return [
            Note(
                place=problem.place._replace(line=0),
                text=f"in the lab file, to be mended: {problem.message}",
            )
            for problem in error.problems
        ]
    return ()
