"""A sandbox in which something foreign is tried out: it can change nothing outside, and it ends."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from hopscope.kernel.sandbox import Sandbox
from hopscope.lab.imports.facts import NodeFacts, facts_of
from hopscope.lab.passing import passing
from hopscope.model.vocab import NodeName

__all__ = ["FRESH", "HERE", "INSTALLERS", "Workshop", "opened"]

HERE: Final = NodeName(".sandbox")
"""The namespace in which programs begin; named so that no script makes one of that name."""

FRESH: Final = NodeName(".fresh")
"""A namespace that nobody touches, to compare with."""

INSTALLERS: Final = ("apk", "apt", "apt-get", "yum", "dnf")
"""What brings programs onto a machine, which a sandbox has as its machine has them."""

_DAYS: Final = 10_000

TOOLS: Final = "/run/hopscope/bin"
_SHIMS: Final = {
    "sudo": 'while [ "${1#-}" != "$1" ]; do shift; done\nexec env "$@"',
    "mount": f"""path=$(printf %s ":$PATH:" | sed 's#:{TOOLS}:#:#g; s#^:##; s#:$##')
case " $* " in *tmpfs*) set -- "$@" -o 'size=256m,nr_inodes=100000' ;; esac
PATH=$path exec mount "$@\"""",
    "modprobe": "exit 0",
    "sleep": "exit 0",
    **dict.fromkeys(INSTALLERS, "exit 0"),
}
"""Programs that mean nothing here, and would stop a script; and one that is kept within bounds."""


class Workshop:
    """The sandbox, and what a fresh namespace in it is like."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._provide()
        self.usual_queues: int | None = self._usual_queues()
        self.fresh: NodeFacts = facts_of(sandbox, [FRESH])[0]

    def facts(self, nodes: Sequence[NodeName]) -> list[NodeFacts]:
        """All of these nodes, now."""
        return facts_of(self.sandbox, nodes)

    def put(self, path: str, text: str, *, run: bool = False) -> None:
        """A file of the sandbox's own."""
        script = f'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod {"755" if run else "644"} "$1"'
        done = self.sandbox.run(HERE, ["sh", "-c", script, "sh", path], text.encode())
        if done.code:
            raise OSError(done.stderr.decode(errors="replace"))

    def written(self) -> list[str]:
        """Files below /etc that were written since it began; the copies are of 1970."""
        done = self.sandbox.run(HERE, ["find", "/etc", "-type", "f", "-mtime", f"-{_DAYS}"])
        return sorted(done.stdout.decode(errors="replace").splitlines())

    def has(self, program: str) -> bool:
        """Whether there is such a program."""
        return self.sandbox.run(HERE, [program, "--version"]).code != 127

    def _usual_queues(self) -> int | None:
        """How many a veth pair has on this machine when nobody says; None when it is not told."""
        script = (
            "ip link add hs0 type veth peer name hs1 && ip -d -o link show hs0 | "
            "sed -n 's/.* numtxqueues \\([0-9]*\\).*/\\1/p' && ip link del hs0"
        )
        done = self.sandbox.run(FRESH, ["sh", "-c", script])
        told = done.stdout.strip()
        return int(told) if done.code == 0 and told.isdigit() else None

    def _provide(self) -> None:
        for name, body in _SHIMS.items():
            self.put(f"{TOOLS}/{name}", f"#!/bin/sh\n{body}\n", run=True)

    @staticmethod
    def prepared(argv: Sequence[str], seconds: float, **variables: str) -> list[str]:
        """The command with a limit of time, in a folder and an environment of the sandbox's own."""
        given = {"HOME": "/tmp", "USER": "root", **variables}  # noqa: S108 - the sandbox's own
        named = " ".join(f"{key}={shlex.quote(value)}" for key, value in given.items())
        limit = ["timeout", "-s", "KILL", f"{seconds:g}"]
        script = f'cd /tmp; PATH={TOOLS}:$PATH {named} exec "$@"'
        return ["sh", "-c", script, "sh", *limit, *argv]


@contextmanager
def opened(*, home: bool = False) -> Iterator[Workshop]:
    """A sandbox of this process's own; *home*: `HERE` is its own namespace, and no other will be.

    Raises CannotError when this machine forbids it.
    """
    with passing("import", confined=True) as sandbox:
        sandbox.make_nodes([HERE, FRESH], home=HERE if home else None)
        yield Workshop(sandbox)
