"""Where a lab comes from: a built-in's name or a file."""

import os
from collections.abc import Collection
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from hopscope.errors import CannotError, UsageError
from hopscope.lab.known import keep, recall
from hopscope.model.lab import LabSpec
from hopscope.model.limits import LARGEST_FILE

__all__ = ["built_in", "head_of", "parse", "source_of", "sysctl_listing", "written"]

_LABS: Final = Path(__file__).parents[1] / "labs"
_SYSCTLS: Final = Path("/proc/sys")


def built_in() -> dict[str, str]:
    """The labs that come with hopscope: name → text."""
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(_LABS.glob("*.yaml"))}


def source_of(lab: str) -> tuple[bytes, str]:
    """A lab file's bytes and its name for messages; or those of a built-in lab, by its name.

    The name of a built-in lab always means that one: a file called ``bridge`` is ``./bridge``.
    Raises UsageError when there is no such lab, or the file cannot be read.
    """
    known = built_in()
    if lab in known:
        return known[lab].encode(), f"{lab}.yaml"
    try:
        return head_of(lab), written(lab)
    except FileNotFoundError:
        near = get_close_matches(lab, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"built-in labs: {', '.join(known)}"
        hint = _standing(lab) or hint
        message = f"there is no lab file {lab!r}, and no built-in lab of that name; {hint}"
        raise UsageError(message) from None
    except (OSError, ValueError) as error:  # the latter for what can be no file's name
        why = error.strerror if isinstance(error, OSError) else error
        message = f"cannot read the lab file {lab!r}: {why}"
        raise UsageError(message) from error


def head_of(file: str) -> bytes:
    """A file's bytes; of one that is larger than a lab may be, or endless, just more than that."""
    with Path(file).open("rb") as opened:
        return opened.read(LARGEST_FILE + 1)


def written(file: str) -> str:
    """A file's name as it can be written anywhere, in one line: what is no text is escaped."""
    try:
        data = os.fsencode(file)
    except UnicodeEncodeError:  # no file here is called so
        data = file.encode(errors="backslashreplace")
    name = data.decode(errors="backslashreplace")
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _standing(name: str) -> str:
    """That a lab of that name is up, and what it was made from: that file is probably meant."""
    from hopscope.kernel.state import running  # noqa: PLC0415 - seldom wanted

    with suppress(CannotError):  # without records, none can be
        for one in running():
            if one.name == name:
                return f"a lab of that name is up, and was made from {one.file}"
    return ""


def parse(source: str | bytes, file: str) -> LabSpec:
    """The lab that a text declares; SpecError with every mistake in it.

    What was checked before is not checked again, as long as it would come out the same.
    """
    file = written(file)
    data = source.encode(errors="surrogatepass") if isinstance(source, str) else source
    lab = recall(data, file, sysctl_listing)
    if lab is None:
        from hopscope import spec  # noqa: PLC0415 - pydantic is slow to load

        told: dict[str, Collection[str] | None] = {}

        def listing(folder: str) -> Collection[str] | None:
            told[folder] = names = sysctl_listing(folder)
            return names

        lab = spec.parse(source, file, listing=listing)
        keep(data, file, told, lab)
    return lab


def sysctl_listing(folder: str) -> Collection[str] | None:
    """The names in a folder below /proc/sys; None when there is none."""
    try:
        return [entry.name for entry in (_SYSCTLS / folder).iterdir()]
    except OSError:
        return None
