"""doctor: what this machine can do, what each thing is for, and the command that mends it."""

import json as jsonlib
import os
import sys
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import asdict

from hopscope.errors import ExitCode, HopscopeError
from hopscope.kernel import state
from hopscope.kernel.machine.abilities import Ability, State, abilities, can_run
from hopscope.version import VERSION

__all__ = ["Checked", "doctor"]

_STYLES = {State.OK: "green", State.LIMITED: "yellow", State.MISSING: "red"}
_TRACKING_RULE = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
_MOST_READ = 32  # nodes of one lab; reading the rules of one takes some milliseconds
_NAT_ADVICE = (
    "LOG rules in nat chains print nothing in a namespace where no rule tracks connections "
    f"(conntrack, MASQUERADE, DNAT …). This rule starts it: iptables {_TRACKING_RULE}"
)


class Checked(Struct, frozen=True, kw_only=True):
    """A running lab: its nodes whose LOG rules in nat stay silent, or why it was not read."""

    lab: str
    silent: tuple[str, ...] = ()
    skipped: int = 0  # nodes that were not read
    unread: str = ""

    def __str__(self) -> str:
        if self.unread:
            return f"lab {self.lab}: not checked: {self.unread}"
        if not self.silent:
            but = f" ({self.skipped} nodes were not read)" if self.skipped else ""
            return f"lab {self.lab}: no node falls into this trap{but}"
        nodes = ", ".join(self.silent)
        mend = f"hopscope exec {self.lab} {self.silent[0]} -- iptables {_TRACKING_RULE}"
        return f"lab {self.lab}: silent in {nodes}; mend it with: {mend}"


def doctor(*, json: bool) -> None:
    """Print it; exit status 3 when the reference lab cannot run here."""
    found = abilities()
    runs = can_run(found)
    labs = tuple(_checked())
    if json:
        document = {
            "hopscope": VERSION,
            "kernel": os.uname().release,
            "can_run": runs,
            "abilities": [asdict(ability) for ability in found],
            "advice": {"nat-log": _NAT_ADVICE},
            "labs": [asdict(lab) for lab in labs],
        }
        sys.stdout.write(jsonlib.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        _print(found, labs, runs=runs)
    sys.exit(ExitCode.OK if runs else ExitCode.CANNOT)


def _checked() -> Iterator[Checked]:
    """The running labs, read as `show rules` does."""
    for lab in state.living():
        if not isinstance(lab, state.LabFile):
            yield Checked(lab=lab.name, unread=str(lab))
            continue
        from hopscope.lab.running import RunningLab
        from hopscope.model.lookup import silent_nat

        try:
            running = RunningLab.attach(lab.name)
            with running.sandbox:
                read = running.nodes[:_MOST_READ]
                snapshot = running.snapshot(read)
        except (HopscopeError, OSError) as error:
            yield Checked(lab=lab.name, unread=str(error))
        else:
            silent = tuple(str(node.name) for node in snapshot.nodes if silent_nat(node))
            skipped = len(running.nodes) - len(read)
            yield Checked(lab=lab.name, silent=silent, skipped=skipped)


def _print(found: tuple[Ability, ...], labs: tuple[Checked, ...], *, runs: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    console.print(f"hopscope {VERSION} on Linux {os.uname().release}, as {who}")
    for needed, title in ((True, "needed by the reference lab"), (False, "optional")):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for ability in found:
            if ability.needed is needed:
                told = Text(ability.purpose)
                if ability.found != "works":
                    told.append(f": {ability.found}")
                if ability.mend:
                    told.append(f"\nmend: {ability.mend}", style="bold")
                mark = Text(ability.state, style=_STYLES[ability.state])
                table.add_row(mark, Text(ability.what), told)
        console.print(f"\n[bold]{title}[/]")
        console.print(table)
    console.print("\n[bold]advice[/]")
    for line in (_NAT_ADVICE, *map(str, labs)):
        console.print(Text(line))
    words = "the reference lab can run here: hopscope run bridge"
    console.print(Text(f"\n{words if runs else 'the reference lab cannot run here; see missing'}"))
