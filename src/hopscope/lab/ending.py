"""The end of labs: those that stand, and those that died and left something.

Knows nothing of specs, so that `hopscope down` is quick.
"""

import os
import shlex
from enum import Enum
from typing import Final

from msgspec import Struct, field

from hopscope.errors import CannotError, NoSuchLabError, UnreadableRecordError
from hopscope.kernel import state
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.onhost.changes import HostChanges
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import Claim, LabFile

__all__ = ["Ending", "Made", "end", "sweep"]

_ASIDE: Final = "@"  # no lab's name has one


class Made(Struct):
    """What there is of a lab so far, and so is to be ended."""

    file: LabFile
    sandbox: Sandbox
    host: HostChanges | None = None
    maker: int = field(default_factory=os.getpid)  # the process that holds it

    @property
    def here(self) -> bool:
        """Whether this process holds it, and was not forked since: that has no lab to end."""
        return os.getpid() == self.maker

    def let_go(self) -> None:
        """End it, now that nobody holds it."""
        if self.here:
            self.end()
        else:
            self.sandbox.close()

    def end(self) -> None:
        """End it; its guardian undoes what was done on the real host, or we do if that was killed.

        Never both: from then on the host is free for the next lab. CannotError, with nothing
        changed, when that is another host than this; or when it has ended but for its holder, for
        which a guardian goes on waiting.
        """
        if self.host is not None:
            self.host.check_here(f"nsenter --target={self.file.pid} --net ")
        with undisturbed():
            try:
                self.sandbox.stop()
            finally:
                if self.host is not None and self.file.name in state.left_behind():
                    _restore(self.file.name)
                state.clear(self.file)


def sweep() -> None:
    """Restore what labs left that were killed together with their guardian; clear records.

    What is another host's stays as it is, for whoever comes there; its name is free. What cannot
    be read keeps nobody from restoring the rest; then it is an UnreadableRecordError.
    """
    failed: list[UnreadableRecordError] = []
    for folder in state.left_behind():
        try:
            _restore(folder)
        except UnreadableRecordError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _restore(folder: str) -> CannotError | None:
    """The host as it was before a lab that has ended, by its record; clears that.

    What keeps it from that is returned when it is another host, and the record put aside. One that
    cannot be read stays where it is: UnreadableRecordError.
    """
    with undisturbed():
        claimed = state.take(folder)
        if claimed is None:  # someone else is at it
            return None
        try:
            with state.after_changes(claimed.folder):
                left = claimed.left()
                with claimed.reading():
                    host = HostChanges.of(left, claimed.folder) if left is not None else None
                if left is not None and host is not None:
                    try:
                        host.check_here()
                    except CannotError as error:
                        return _put_aside(claimed, left, error)
                    host.undo()
        except BaseException:
            claimed.close()
            raise
        claimed.clear()
        return None


def _put_aside(claimed: Claim, left: LabFile, why: CannotError) -> CannotError:
    """Keep the record under a name that no lab can have; what to do about it."""
    aside = claimed.folder
    if _ASIDE not in aside.name:
        aside = aside.rename(aside.with_name(f"{left.name}{_ASIDE}{left.started}"))
    claimed.close()
    return CannotError(why.what, mend=f"{why.mend}; if it is gone: rm -r {aside}")


class Ending(Enum):
    """How a lab was ended."""

    ENDED = "it stood, and is down"
    UNREAD = "it stood, and is down, and its record, which could not be read, is removed"
    BEFORE = "it had ended already, and only its record was cleared"


def end(name: str) -> Ending:
    """End a lab.

    Raises NoSuchLabError when there is not even a record of one, CannotError when it is another
    host's, UnreadableRecordError when it has ended, and what it left on this host is not known.
    """
    try:
        lab = state.find(name)
        sandbox = Sandbox.attach(lab)
    except UnreadableRecordError as error:
        return _end_unread(error)
    except NoSuchLabError:
        left = [one for one in state.left_behind() if one.partition(_ASIDE)[0] == name]
        if not left:
            raise
        refused = [error for error in map(_restore, left) if error is not None]
        if len(refused) == len(left):
            raise refused[0] from None
        return Ending.BEFORE
    try:
        host = HostChanges.of(lab)
    except UnreadableRecordError as error:
        return _end_unread(error, sandbox)
    Made(lab, sandbox, host).end()
    return Ending.ENDED


def _end_unread(why: UnreadableRecordError, sandbox: Sandbox | None = None) -> Ending:
    """End a lab whose record we cannot read, through its holder, which does not need it.

    A guardian may be of the version that wrote the record, and restore what we could not.
    """
    sandbox = sandbox or _reached(why)
    with undisturbed():
        guarded = sandbox.guarded
        sandbox.stop()
        if why.name not in state.left_behind():
            return Ending.ENDED
        if guarded:
            _restore(why.name)  # raises it again, unless it has become readable
        elif (claimed := state.take(why.name)) is not None:
            claimed.clear()
        return Ending.UNREAD


def _reached(why: UnreadableRecordError) -> Sandbox:
    try:
        return Sandbox.attach(state.unread(why.name))
    except CannotError:
        lock = shlex.quote(str(why.file.with_name("lock")))
        mend = f"fuser -k {lock}   (its holder, which does not answer)"
        raise UnreadableRecordError(why.name, why.file, why.why, mend=mend) from None
