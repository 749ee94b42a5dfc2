"""The end of labs: those that stand, and those that died and left something.

Knows nothing of specs, so that `hopscope down` is quick.
"""

import os
from typing import Final

from msgspec import Struct, field

from hopscope.errors import CannotError, NoSuchLabError
from hopscope.kernel import state
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.onhost.changes import HostChanges
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import Claim, LabFile

__all__ = ["Made", "end", "sweep"]

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

    What is another host's stays as it is, for whoever comes there; its name is free.
    """
    for folder in state.left_behind():
        _restore(folder)


def _restore(folder: str) -> CannotError | None:
    """The host as it was before a lab that has ended, by its record; clears that.

    What keeps it from that is returned when it is another host, and the record put aside.
    """
    with undisturbed():
        claimed = state.take(folder)
        if claimed is None:  # someone else is at it
            return None
        try:
            with state.after_changes(claimed.folder):
                left = claimed.left()
                if left is not None and left.undo:
                    host = HostChanges.load(left.undo)
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


def end(name: str) -> bool:
    """End a lab; False when it had ended already, and only its record was cleared.

    Raises NoSuchLabError when there is not even that, CannotError when it is another host's.
    """
    try:
        lab = state.find(name)
        sandbox = Sandbox.attach(lab)
    except NoSuchLabError:
        left = [one for one in state.left_behind() if one.partition(_ASIDE)[0] == name]
        if not left:
            raise
        refused = [error for error in map(_restore, left) if error is not None]
        if len(refused) == len(left):
            raise refused[0] from None
        return False
    host = HostChanges.load(lab.undo) if lab.undo else None
    Made(lab, sandbox, host).end()
    return True
