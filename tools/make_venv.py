"""Make a virtual environment, or say what keeps it from being made."""

import sys
import venv
from pathlib import Path

OLDEST = (3, 11)


def main() -> None:
    """Make it where the argument says; one that is there already is kept."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        wanted = ".".join(map(str, OLDEST))
        sys.exit(f"hopscope needs Python {wanted} or newer, and this is {found}: make PYTHON=…")
    where = Path(sys.argv[1])
    if not (where / "bin" / "pip").exists():
        venv.create(where, with_pip=True)


if __name__ == "__main__":
    main()
