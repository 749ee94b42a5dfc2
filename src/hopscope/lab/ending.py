"""The end of labs: those that stand, and those that died and left something.

Knows nothing of specs, so that `hopscope down` is quick.
"""

from msgspec import Struct

from hopscope.errors import NoSuchLabError
from hopscope.kernel import state
from hopscope.kernel.interrupts import undisturbed
from hopscope.kernel.onhost.changes import HostChanges
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import LabFile

__all__ = ["Made", "end", "sweep"]


class Made(Struct):
    """What there is of a lab so far, and so is to be ended."""

    file: LabFile
    sandbox: Sandbox
    host: HostChanges | None = None

    def end(self) -> None:
        """End it; its guardian undoes what was done on the real host, or we do if that was killed.

        Never both: from then on the host is free for the next lab.
        """
        with undisturbed():
            self.sandbox.stop()
            if self.host is not None and self.file.name in state.left_behind():
                _restore(self.file.name)
            state.clear(self.file)


def sweep() -> None:
    """Restore what labs left that were killed together with their guardian; clear records."""
    for name in state.left_behind():
        _restore(name)


def _restore(name: str) -> None:
    """The host as it was before a lab that has ended, by its record; clears that."""
    with undisturbed():
        claimed = state.take(name)
        if claimed is None:  # someone else is at it
            return
        try:
            with state.after_changes(claimed.folder):
                left = claimed.left()
                if left is not None and left.undo:
                    HostChanges.load(left.undo).undo()
        except BaseException:
            claimed.close()
            raise
        claimed.clear()


def end(name: str) -> bool:
    """End a lab; False when it had ended already, and only its record was cleared.

    Raises NoSuchLabError when there is not even that.
    """
    try:
        lab = state.find(name)
        sandbox = Sandbox.attach(lab)
    except NoSuchLabError:
        if name not in state.left_behind():
            raise
        sweep()
        return False
    host = HostChanges.load(lab.undo) if lab.undo else None
    Made(lab, sandbox, host).end()
    return True
