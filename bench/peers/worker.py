"""A library that is measured without its start: it is loaded, and then told what to do.

It says ``ready`` once, and answers each line, ``up`` or ``down``, with ``done`` and what it
has to say.
"""

import sys
from collections.abc import Callable


def serve(up: Callable[[], str], down: Callable[[], None]) -> None:
    """Do as told until nobody tells anything."""
    print("ready", flush=True)
    for line in sys.stdin:
        said = ""
        if line.strip() == "up":
            said = up()
        else:
            down()
        print("done", said, flush=True)
