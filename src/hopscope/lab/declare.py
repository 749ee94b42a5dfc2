"""Where a lab comes from: a built-in's name or a file."""

from collections.abc import Collection
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Final

from hopscope.errors import UsageError
from hopscope.lab.cache import remembered
from hopscope.model.lab import LabSpec

__all__ = ["built_in", "parse", "source_of", "sysctl_listing"]

_SYSCTLS: Final = Path("/proc/sys")


def built_in() -> dict[str, str]:
    """The labs that come with hopscope: name → text."""
    folder = resources.files("hopscope") / "labs"
    return {
        entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def source_of(lab: str) -> tuple[bytes, str]:
    """A lab file's bytes and its name for messages; or those of a built-in lab, by its name.

    The name of a built-in lab always means that one: a file called ``bridge`` is ``./bridge``.
    Raises UsageError when there is no such lab, or the file cannot be read.
    """
    known = built_in()
    if lab in known:
        return known[lab].encode(), f"{lab}.yaml"
    try:
        return Path(lab).read_bytes(), lab
    except FileNotFoundError:
        near = get_close_matches(lab, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"built-in labs: {', '.join(known)}"
        message = f"there is no lab file {lab!r}, and no built-in lab of that name; {hint}"
        raise UsageError(message) from None
    except OSError as error:
        message = f"cannot read the lab file {lab!r}: {error.strerror}"
        raise UsageError(message) from error


def parse(source: str | bytes, file: str) -> LabSpec:
    """The lab that a text declares; SpecError with every mistake in it."""

    def worked_out() -> LabSpec:
        from hopscope import spec  # noqa: PLC0415 - pydantic is slow to load

        return spec.parse(source, file, listing=sysctl_listing)

    return remembered(source.encode() if isinstance(source, str) else source, file, worked_out)


def sysctl_listing(folder: str) -> Collection[str] | None:
    """The names in a folder below /proc/sys; None when there is none."""
    try:
        return [entry.name for entry in (_SYSCTLS / folder).iterdir()]
    except OSError:
        return None
