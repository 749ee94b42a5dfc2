"""Our C programs, compiled with the system's compiler."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["compiled", "no_compiler"]

HERE: Final = Path(__file__).parent


def no_compiler() -> str | None:
    """What is not there; None when C programs can be made."""
    return None if shutil.which("cc") else "cc is not installed (Debian: gcc and libc6-dev)"


def compiled(name: str, folder: Path) -> str:
    """The program of that name, made in *folder*."""
    program = str(folder / name)
    flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-pthread")
    subprocess.run(["cc", *flags, "-o", program, str(HERE / f"{name}.c")], check=True)
    return program
