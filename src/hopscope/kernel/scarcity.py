"""What it means when there is no more of something: a limit of the machine, no mistake of a lab."""

import errno
import resource

from hopscope.errors import CannotError

__all__ = ["scarce"]


def scarce(code: int, doing: str, files: int | None = None) -> CannotError | None:
    """What to raise when *doing* something failed with that errno; None: it is another matter.

    *files*: how many whoever did it may have open, if not this process.
    """
    match code:
        case errno.EMFILE:
            most = files or resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            what = f"it takes more open files than the {most} that a process may have here"
            mend = f"ulimit -Hn {4 * most}   (as root)"
        case errno.ENFILE:
            what, mend = "this machine has no more open files", "sysctl fs.file-nr fs.file-max"
        case errno.EAGAIN:
            what = "no more processes may run (ulimit -u, or pids.max of a cgroup)"
            mend = "ulimit -Hu unlimited   (as root), or end some"
        case errno.ENOMEM:
            what = "no memory is left, on this machine or in this cgroup"
            mend = "end what uses it, and try again"
        case errno.ENOSPC:
            what = "no room is left, on a disk or in what a user may have of namespaces or mounts"
            mend = "df -h; sysctl -ar '^user.max|^fs.mount-max'   (show which)"
        case _:
            return None
    return CannotError(f"{doing}: {what}", mend=mend)
