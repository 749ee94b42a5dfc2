"""msgspec is loaded, which nearly every command needs."""

import sys
from contextlib import suppress

from hopscope.kernel.interrupts import undisturbed

__all__ = ["load_msgspec"]


def load_msgspec() -> None:
    """Without typing_extensions, for which it has the typing of any Python that we run on.

    It loads it where it can, and with it inspect, ast and dis: half of the time that it takes.
    An interruption waits: in the middle of it, it brought the process down (SIGSEGV).
    """
    name = "typing_extensions"
    if "msgspec" in sys.modules or name in sys.modules:
        return
    with undisturbed():
        sys.modules[name] = None  # type: ignore[assignment]  # as importlib has it: not to be found
        try:
            with suppress(ImportError):  # then those who need it load it whole
                import msgspec  # noqa: F401
        finally:
            del sys.modules[name]
