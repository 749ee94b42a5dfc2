"""The files of this package that pages and pictures are made with: styles, scripts."""

from pkgutil import get_data

__all__ = ["asset"]


def asset(name: str) -> str:
    """The text of a file in ``report``. FileNotFoundError when there is none."""
    # importlib.resources would load zipfile; a loader of files reads, or raises
    return (get_data(__package__, f"report/{name}") or b"").decode()
