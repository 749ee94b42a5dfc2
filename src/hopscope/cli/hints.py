"""What to try instead, told where a call fails or will; loads nothing that is slow to load."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hopscope.model.lab import LabSpec

__all__ = ["built_in_labs", "not_up", "stands_again", "tell_lacking"]

_LABS: Final = Path(__file__).parents[1] / "labs"


def built_in_labs() -> list[str]:
    """Their names, without reading them."""
    return sorted(file.stem for file in _LABS.glob("*.yaml"))


def not_up(name: str) -> str:
    """What to do about a lab that is not up, where something can be done."""
    inside = os.environ.get("HOPSCOPE_LAB")
    if inside:
        return f" (you are inside lab {inside}; type exit first)"
    if name in built_in_labs() or Path(name).is_file():
        return f" (start it with: hopscope up {name})"
    return ""


def stands_again(mend: str, file: str) -> str:
    """Of commands about a lab that has ended meanwhile, how it stands for them; else ""."""
    if "hopscope exec " not in mend and "hopscope show " not in mend:
        return ""
    if file == "<stdin>":
        file = "-"
    name = file.removesuffix(".yaml")  # as a built-in one's file is called
    called = name if name in built_in_labs() and not Path(file).is_file() else file
    return f"the lab has ended; for that command, first: hopscope up {called}"


def tell_lacking(spec: "LabSpec") -> None:
    """What `up` will be refused here, beside what was asked for."""
    from hopscope.lab.lacking import lacking

    for error in lacking(spec):
        sys.stderr.write(f"note: {error}\n")
