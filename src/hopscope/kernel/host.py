"""Changes to the machine's real network namespace, for --on-host: looked at first, undone exactly.

Before anything is made, the host is read: a device of a name that the lab wants must not
exist. Everything made carries our mark (a device its alias, a rule its comment). What
must be restored is written to the lab's record before it is changed, so that `down`, or
the next `up` after a kill, can restore it.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

from hopscope.errors import CannotError, OwnedByOthersError, UsageError
from hopscope.model.lab import LabSpec
from hopscope.model.vocab import DevName
from hopscope.plan.compile import HOME, alias_of, sysctl_path

__all__ = ["HostChanges"]

NET: Final = Path("/sys/class/net")
RULE_FLAGS: Final = {"-A": "-D", "--append": "-D", "-I": "-D", "--insert": "-D"}


@dataclass(slots=True, kw_only=True)
class HostChanges:
    """What one lab changes on the real host, and how it was before."""

    lab: str
    devices: list[DevName]
    index: int  # the first interface index for our devices
    sysctls: dict[str, str] = field(default_factory=dict)  # path below /proc/sys → before
    rules: list[list[str]] = field(default_factory=list)  # argument lists that delete our rules
    tables: dict[str, list[str]] = field(default_factory=dict)  # tool → tables that were there

    @classmethod
    def prepare(cls, spec: LabSpec, name: str) -> Self:
        """Look at the host, and refuse what would touch anything that is not ours.

        Raises OwnedByOthersError naming the device, UsageError for what cannot be undone.
        """
        if os.geteuid() != 0:
            what = "--on-host changes the machine's own network namespace, which takes root"
            raise CannotError(what, mend="sudo hopscope … --on-host, or leave it out")
        if all(node.name != HOME for node in spec.nodes):
            message = f"--on-host needs a node named {HOME!r} in the lab"
            raise UsageError(message)
        host = spec.node(HOME)
        ends = [
            end.ref.dev for link in spec.links for end in (link.a, link.b) if end.ref.node == HOME
        ]
        devices = [*(bridge.name for bridge in host.bridges), *ends]
        for dev in devices:
            if (NET / dev).exists():
                raise OwnedByOthersError(f"the device {dev}")
        if host.nft:
            message = (
                "with --on-host the node 'host' takes iptables rules, not an nft script: "
                "only single rules can be taken back exactly"
            )
            raise UsageError(message)
        indexes = [
            int((path / "ifindex").read_text())
            for path in NET.iterdir()
            if (path / "ifindex").exists()
        ]
        made = cls(lab=name, devices=devices, index=max(indexes) + 1)
        for sysctl in host.sysctls:
            made._remember(sysctl_path(sysctl.key))
        made.tables = {tool: _tables(tool) for tool in ("iptables", "ip6tables")}
        return made

    def _remember(self, path: str) -> None:
        file = Path("/proc/sys") / path
        if file.exists() and not any(f"/{dev}/" in path for dev in self.devices):
            self.remember_sysctl(path, file.read_text().strip())

    def remember_sysctl(self, path: str, value: str) -> None:
        """Keep the first value seen: that is the one to restore."""
        self.sysctls.setdefault(path, value)

    def own_rules(self, tool: str, lines: Sequence[str]) -> list[str]:
        """The rules with our comment on each; remembers how to delete them.

        Raises UsageError for what is no single rule (a policy, a flush): it could not be
        taken back without touching what is not ours.
        """
        marked: list[str] = []
        for line in lines:
            words = shlex.split(line)
            flag = next((word for word in words if word in RULE_FLAGS), None)
            if flag is None:
                message = f"with --on-host only -A and -I are allowed in the node 'host': {line!r}"
                raise UsageError(message)
            mark = ["-m", "comment", "--comment", alias_of(self.lab)]
            at = words.index("-j") if "-j" in words else len(words)
            words[at:at] = mark
            marked.append(shlex.join(words))
            undo = list(words)
            where = undo.index(flag)
            undo[where] = RULE_FLAGS[flag]
            if where + 2 < len(undo) and undo[where + 2].isdigit():  # -I CHAIN NUMBER
                del undo[where + 2]
            self.rules.append([tool, "-w", "5", *undo])
        return marked

    def dump(self) -> str:
        """As JSON, for the lab's record."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` wrote."""
        return cls(**json.loads(text))

    def undo(self) -> None:
        """Restore the host; asked twice it does nothing more. Only marked objects are removed."""
        for argv in reversed(self.rules):
            _quietly(argv)
        self.rules.clear()
        for dev in self.devices:
            alias = NET / dev / "ifalias"
            if alias.exists() and alias.read_text().strip() == alias_of(self.lab):
                _quietly(["ip", "link", "del", "dev", dev])
        for path, value in self.sysctls.items():
            file = Path("/proc/sys") / path
            if file.exists() and file.read_text().strip() != value:
                file.write_text(value)
        for tool, before in self.tables.items():
            for table in set(_tables(tool)) - set(before):
                _drop_if_empty(tool, table)


def _quietly(argv: Sequence[str]) -> bytes:
    """Run a tool whose object may be gone already."""
    done = subprocess.run(argv, capture_output=True, check=False)
    return done.stdout


def _tables(tool: str) -> list[str]:
    """The tables that iptables-nft has made; asked of nft, since asking iptables makes them."""
    family = "ip" if tool == "iptables" else "ip6"
    try:
        listing = _quietly(["nft", "list", "tables", family]).decode()
    except FileNotFoundError:
        return []
    return re.findall(rf"^table {family} (\w+)$", listing, re.MULTILINE)


def _drop_if_empty(tool: str, table: str) -> None:
    """Delete a table that our rules brought into being, unless someone else uses it now."""
    family = "ip" if tool == "iptables" else "ip6"
    listing = _quietly(["nft", "-s", "list", "table", family, table]).decode()
    inner = re.sub(r"chain \w+ \{\s*type [^}]*policy accept;\s*\}", "", listing)
    if re.fullmatch(rf"\s*(#.*\n)?table {family} {table} \{{\s*\}}\s*", inner):
        _quietly(["nft", "delete", "table", family, table])
