"""export, import: labs to and from what others read and write."""

import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePath

from hopscope.cli.sources import STDIN, STDOUT, source_of
from hopscope.errors import NoSuchLabError, UsageError
from hopscope.lab.declare import head_of, parse, written
from hopscope.lab.folder import file_of, write_file
from hopscope.model.lab import LabSpec
from hopscope.model.limits import LARGEST_FILE

__all__ = ["export", "import_lab"]


def export(lab: str, *, form: str | None, out: str | None, image: str | None) -> None:
    """The lab in another form, on standard output or in a file."""
    from hopscope.render import exports

    form = form or _meant(PurePath(out or "").suffix)
    _check("write", form, exports.FORMATS)
    if image is not None and form != "containerlab":
        message = f"--image is of containerlab's nodes; the format {form} has none"
        raise UsageError(message)
    file = _file(out)
    _put(exports.export(_declared(lab), form, image=image or exports.IMAGE), file)


def _meant(suffix: str) -> str:
    """The format of files that end so; a script where they end in nothing."""
    from hopscope.render import exports

    if suffix and suffix not in exports.SUFFIXES:
        known = f"a file ends in {', '.join(exports.SUFFIXES)}"
        message = f"no format is meant by {suffix}; {known}, or its format is named by --format"
        raise UsageError(message)
    return exports.SUFFIXES.get(suffix, "sh")


def import_lab(
    file: str,
    arguments: Sequence[str],
    *,
    form: str | None,
    out: str | None,
    name: str | None,
    seconds: float,
    uplink: str | None,
) -> None:
    """A lab file on standard output, or in a file; what it lacks on standard error."""
    from hopscope.lab import imports

    if form is not None:
        _check("read", form, imports.FORMATS)
    to = _file(out)
    text, named = _read(file)
    lab, notes = imports.import_lab(
        text, named, form=form, name=name, arguments=arguments, seconds=seconds, uplink=uplink
    )
    for note in notes:
        sys.stderr.write(f"{note}\n")
    _put(lab, to)


def _check(do: str, form: str, known: Collection[str]) -> None:
    if form not in known:
        near = get_close_matches(form, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(known)}"
        message = f"cannot {do} the format {form!r}; {hint}"
        raise UsageError(message)


def _declared(lab: str) -> LabSpec:
    """What a lab file, or a running lab's record, declares."""
    from hopscope.kernel import state

    try:
        source, file = source_of(lab)
    except UsageError as error:
        try:
            found = state.find(lab)
        except NoSuchLabError:
            raise error from None
        said = f"{lab} is up: this is what {found.file} declares, not what was changed since"
        sys.stderr.write(f"{said}\n")
        source, file = found.source.encode(), found.file
    return parse(source, file)


def _read(file: str) -> tuple[str, str]:
    """The text of a file, or of standard input, and its name for messages."""
    try:
        data = sys.stdin.buffer.read(LARGEST_FILE + 1) if file == "-" else head_of(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"cannot read {file!r}: {why}"
        raise UsageError(message) from error
    if len(data) > LARGEST_FILE:
        message = f"{file!r} is larger than {LARGEST_FILE >> 20} MiB; is this the right file?"
        raise UsageError(message)
    text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return text, STDIN if file == "-" else written(PurePath(file).name)


def _file(out: str | None) -> Path | None:
    return None if out is None or out == STDOUT else file_of(out, "--out")


def _put(text: str, file: Path | None) -> None:
    if file is None:
        sys.stdout.write(text)
    else:
        write_file(file, text.encode())
