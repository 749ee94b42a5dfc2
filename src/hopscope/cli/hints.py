"""What to try instead, told where a call fails; loads nothing that is slow to load."""

import os
from pathlib import Path
from typing import Final

__all__ = ["built_in_labs", "not_up"]

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
