"""Programs that a script has started, and that still run in its namespaces when it has ended."""

import shlex
from collections.abc import Iterator

from hopscope.lab.imports.workshop import HERE, Workshop
from hopscope.model.vocab import NodeName

__all__ = ["left_running"]

_SCRIPT = r"""
for file in /run/netns/*; do
    [ -e "$file" ] && printf 'named\t%s\t%s\n' "$(stat -Lc %i "$file")" "${file##*/}"
done
printf 'named\t%s\t\n' "$(stat -Lc %i /proc/self/ns/net)"
for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" = 1 ] || [ "$pid" = $$ ] || printf 'runs\t%s\t%s\n' \
        "$(stat -Lc %i "$process/ns/net")" "$(tr '\0\n\t' '\001  ' < "$process/cmdline")"
done 2>/dev/null
exit 0
"""


def left_running(workshop: Workshop) -> list[tuple[NodeName, str]]:
    """The node of each, and its command as a shell, or ``run`` in a lab file, would have it."""
    done = workshop.sandbox.run(HERE, ["sh", "-c", _SCRIPT])
    return list(_read(done.stdout.decode(errors="replace")))


def _read(text: str) -> Iterator[tuple[NodeName, str]]:
    rows = [fields for line in text.splitlines() if len(fields := line.split("\t")) == 3]
    names = {number: NodeName(name) or HERE for kind, number, name in rows if kind == "named"}
    for kind, number, command in rows:
        words = command.removesuffix("\x01").split("\x01")
        if kind == "runs" and number in names and words[0]:
            yield names[number], shlex.join(words)
