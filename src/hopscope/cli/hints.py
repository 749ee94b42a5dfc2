"""What to try instead, told where a call fails or will; loads nothing that is slow to load."""

import os
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hopscope.model.lab import LabSpec

__all__ = ["built_in_labs", "not_up", "stands_again", "tell_notes"]

_LABS: Final = Path(__file__).parents[1] / "labs"
_HEAD: Final = 1 << 16  # bytes of a file in which its name is looked for


def built_in_labs() -> list[str]:
    """Their names, without reading them."""
    return sorted(file.stem for file in _LABS.glob("*.yaml"))


def not_up(name: str) -> str:
    """What to do about a lab that is not up, where something can be done."""
    inside = os.environ.get("HOPSCOPE_LAB")
    if inside:
        return f" (you are inside lab {inside}; type exit first)"
    if name not in built_in_labs() and not Path(name).is_file():
        return ""
    if standing := _made_of(name):
        words = [standing if word == name else word for word in sys.argv[1:]]
        return f" (its lab goes by its name: hopscope {shlex.join(words)})"
    return f" (start it with: hopscope up {shlex.quote(name)})"


def _made_of(file: str) -> str | None:
    """The running lab that was made of a file, or has the name that stands in it."""
    from hopscope.kernel.state import running

    with suppress(OSError):  # of a built-in lab there may be no such file
        with Path(file).open("rb") as opened:
            said = re.search(rb"^name:\s*[\"']?([\w.-]+)", opened.read(_HEAD), re.MULTILINE)
        name = said[1].decode() if said else ""
        found = [lab.name for lab in running() if lab.name == name or lab.file == file]
        return name if name in found else next(iter(found), None)
    return None


def stands_again(mend: str, file: str, name: str | None = None) -> str:
    """Of commands about a lab that has ended meanwhile, how it stands for them; else "".

    *name*: under which it ran, where that is not its own.
    """
    if "hopscope exec " not in mend and "hopscope show " not in mend:
        return ""
    if file == "<stdin>":
        file = "-"
    known = file.removesuffix(".yaml")  # as a built-in one's file is called
    called = known if known in built_in_labs() and not Path(file).is_file() else file
    words = ["hopscope", "up", called, *(("--name", name) if name else ())]
    return f"the lab has ended; for that command, first: {shlex.join(words)}"


def tell_notes(spec: "LabSpec") -> None:
    """What is hardly meant, and what `up` will be refused here, beside what was asked for."""
    from hopscope.lab.lacking import lacking
    from hopscope.plan.odd import odd

    for said in odd(spec):
        sys.stderr.write(f"note: {said}\n")
    for error in lacking(spec):
        sys.stderr.write(f"note: {error}\n")
