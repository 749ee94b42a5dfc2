"""What is recorded of a lab, in ``lab.json``, by this version of hopscope or another; and where.

What another version knows and this one does not is passed over; what this one knows and the other
did not is as if it had never been asked for. A record of which that does not make a lab is an
error, and never as if there were none: it may be all that says what is to be undone.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, get_args, get_origin

from hopscope.errors import CannotError, UnreadableRecordError

__all__ = ["LabFile", "read", "record_in", "recording", "state_home", "write"]


class LabFile(NamedTuple):
    """What ``lab.json`` says of a running lab. Whatever is added to it has a default."""

    name: str
    pid: int  # the holder's; 0 before there is one
    mode: str  # "sandbox" or "on-host"
    source: str  # the lab file's text
    file: str  # its name, for messages
    nodes: tuple[str, ...]
    home: str  # the node that is the holder's own namespace
    started: int  # nanoseconds since 1970
    boot: int = 0  # the machine's, reckoned once, as a clock that is set moves it; 0: not known
    temporary: bool = False  # of a `run` or a test: ends with the process that made it
    made: tuple[str, ...] = ()  # all nodes it ever had, in that order; (): those of *nodes*
    undo: str = ""  # on-host: what to restore, as JSON
    was: tuple[tuple[str, str, str], ...] = ()  # node, sysctl, and its value before it was set
    folder: str = ""  # in which *file* is named; "": not known

    @property
    def recorded(self) -> tuple[str, ...]:
        """The nodes as the record of LOG rules counts them."""
        return self.made or self.nodes

    def setting(self, node: str, path: str, value: str) -> Self:
        """With what a sysctl is before it is set; the first value is the one that counts."""
        if any(one[:2] == (node, path) for one in self.was):
            return self
        return self._replace(was=(*self.was, (node, path, value)))


_ELSEWHERE: Final = 'export HOPSCOPE_STATE="$HOME/hopscope"  # or any folder of yours, with room'
_KINDS: Final[dict[str, Any]] = LabFile.__annotations__


def state_home() -> Path:
    """The folder of all records, made if absent; private to this user.

    Raises CannotError when no such folder can be made.
    """
    uid = os.geteuid()
    if chosen := os.environ.get("HOPSCOPE_STATE"):
        if not Path(chosen).is_absolute():
            what = f"HOPSCOPE_STATE={chosen} is another folder wherever one stands"
            raise CannotError(what, mend=f"export HOPSCOPE_STATE='{Path(chosen).resolve()}'")
        home = Path(chosen).resolve()
    elif uid == 0:
        home = Path("/run/hopscope")
    elif os.access(runtime := os.environ.get("XDG_RUNTIME_DIR", ""), os.W_OK):
        home = Path(runtime) / "hopscope"
    else:
        home = Path(f"/tmp/hopscope-{uid}")  # noqa: S108 - owner and mode are checked below
    with recording(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = home.lstat()
    if status.st_uid != uid or status.st_mode & 0o022:
        what = f"{home} is not private to user {uid}"
        ours = status.st_uid == uid and not status.st_mode & stat.S_ISVTX  # as /tmp is everyone's
        raise CannotError(what, mend=f"chmod 700 '{home}'" if ours else _ELSEWHERE)
    return home


@contextlib.contextmanager
def recording(place: Path) -> Iterator[None]:
    """A disk that is full, or read only, is told as what it is."""
    try:
        yield
    except OSError as error:
        what = f"cannot record running labs in {place}: {error.strerror}"
        raise CannotError(what, mend=_ELSEWHERE) from error


def record_in(folder: Path) -> Path:
    """The file that is the record of the lab of that folder."""
    return folder / "lab.json"


def read(folder: Path, known_as: Path | None = None) -> LabFile | None:
    """The record in a folder, None when there is none.

    Raises UnreadableRecordError, which tells the folder as it is *known*.
    """
    try:
        fields = json.loads(record_in(folder).read_bytes())
        return LabFile(**{one: _as(_KINDS[one], fields[one]) for one in _KINDS if one in fields})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = str(error.strerror)
    except (ValueError, TypeError, RecursionError):
        why = "it is no record that this version of hopscope knows"
    known = known_as or folder
    raise UnreadableRecordError(known.name, record_in(known), why)


def write(folder: Path, lab: LabFile) -> None:
    """Replaces what was recorded, whole or not at all."""
    fresh = folder / "lab.json.new"
    fresh.write_text(json.dumps(lab._asdict()))
    fresh.rename(record_in(folder))


def _as(kind: Any, value: object) -> Any:
    """A value of JSON as one of that kind. TypeError, or ValueError, when it is another."""
    if get_origin(kind) is not tuple:
        if type(value) is not kind:
            raise TypeError(value)
        return value
    if not isinstance(value, list):
        raise TypeError(value)
    kinds = get_args(kind)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    return tuple(_as(*pair) for pair in zip(kinds, value, strict=True))
