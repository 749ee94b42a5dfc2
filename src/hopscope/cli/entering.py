"""exec, shell: commands and shells inside the nodes of a running lab."""

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Final

from hopscope.kernel import stayroot
from hopscope.kernel.enter import Doors

__all__ = ["execute", "plain", "shell"]

_SBIN: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_OWN: Final = Path("/run/hopscope-lab")  # inside the lab, whose /run is its own
_WRAPPER: Final = """\
#!/bin/sh
# The only user of this lab is root, and tcpdump would turn into its own: it stays root here.
exec {python} -I -S {stayroot} {tcpdump} -Z root "$@"
"""
_BASHRC: Final = """\
[ -f ~/.bashrc ] && . ~/.bashrc
PS1='(${HOPSCOPE_LAB}:${HOPSCOPE_NODE}) '"$PS1"
"""


def plain(arguments: Sequence[str]) -> bool:
    """Run ``exec LAB NODE [--] CMD…`` when that is what was asked, without the parser.

    Loading it would take longer than most commands take to run. False for anything else,
    options and mistakes included.
    """
    if list(arguments[:1]) != ["exec"]:
        return False
    names, command = arguments[1:3], list(arguments[3:])
    if command[:1] == ["--"]:
        del command[0]
    elif command[:1] and command[0].startswith("-"):  # an option of ours
        return False
    if not command or any(name.startswith("-") for name in names):
        return False
    execute(names[0], names[1], command)
    return True


def execute(lab: str, node: str, command: Sequence[str]) -> None:
    """Run a command in a node; exit as it did."""
    with Doors(lab, node) as doors:
        environment = _environment(doors)
        code = doors.run(command, environment, lambda: _own_tools(environment["PATH"]))
        _leave(doors, code)


def shell(lab: str, node: str | None) -> None:
    """Open the user's shell in a node; exit as it did."""
    program, interactive = _shell(), sys.stdin.isatty()
    command, prompt = [program], {}
    with Doors(lab, node) as doors:
        if interactive and Path(program).name == "bash":
            command += ["--rcfile", str(_OWN / "bashrc"), "-i"]
        elif interactive:
            prompt = {"PS1": f"({doors.lab.name}:{doors.node}) $ "}
        environment = {**_environment(doors), **prompt}

        def prepare() -> dict[str, str]:
            more = _own_tools(environment["PATH"])
            if interactive:
                _write(_OWN / "bashrc", _BASHRC, 0o644)
                sys.stderr.write(_banner(doors, wrapped=bool(more)))
                sys.stderr.flush()
            return more

        code = doors.run(command, environment, prepare)
        _leave(doors, code)


def _leave(doors: Doors, code: int) -> None:
    if code and doors.ended:
        sys.stderr.write(f"hopscope: lab {doors.lab.name!r} has ended, and this with it\n")
    sys.exit(code)


def _environment(doors: Doors) -> dict[str, str]:
    """The caller's own, and where in the lab it is. Root of a lab needs the tools of root."""
    path = os.environ.get("PATH", os.defpath).split(":")
    path += [folder for folder in _SBIN if folder not in path]
    where = {"HOPSCOPE_LAB": doors.lab.name, "HOPSCOPE_NODE": doors.node}
    return {**os.environ, **where, "PATH": ":".join(path)}


def _shell() -> str:
    for program in (os.environ.get("SHELL", ""), "bash", "sh"):
        if program and (found := shutil.which(program)):
            return found
    return "/bin/sh"


def _own_tools(path: str) -> dict[str, str]:
    """Inside: in a lab whose only user is root, a tcpdump that stays root; the PATH that has it."""
    users = Path("/proc/self/uid_map").read_text().split()
    tcpdump = shutil.which("tcpdump", path=path)
    if users[2:] != ["1"] or tcpdump is None:
        return {}
    wrapper = _OWN / "bin" / "tcpdump"
    if Path(tcpdump) != wrapper:
        words = {"python": sys.executable, "stayroot": stayroot.__file__, "tcpdump": tcpdump}
        text = _WRAPPER.format(**{name: quote(word) for name, word in words.items()})
        _write(wrapper, text, 0o755)
    return {"PATH": f"{wrapper.parent}:{path}"}


def _write(file: Path, text: str, mode: int) -> None:
    """Whole or not at all: another shell of the lab may be reading it."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(file)


def _banner(doors: Doors, *, wrapped: bool) -> str:
    """Where one is, and what can be typed here, with names that are there."""
    others = [node for node in doors.lab.nodes if node != doors.node]
    nodes = ", ".join(others[:8]) + (" …" if len(others) > 8 else "")
    devices = [name for _index, name in socket.if_nameindex()]
    bridges = [name for name in devices if Path(f"/sys/class/net/{name}/bridge").exists()]
    watched = (bridges or [name for name in devices if name != "lo"] or ["lo"])[0]
    lines = [
        f"lab {doors.lab.name}, in node {doors.node}" + (f"; others: {nodes}" if nodes else "")
    ]
    if others:
        lines.append(f"  ip netns exec {others[0]} ip addr     what you type runs in {others[0]}")
    if bridges:
        lines.append("  brctl show                 the bridges and their ports")
    lines += [
        "  arp -n                     the neighbours that are known",
        f"  tcpdump -nn -i {watched:<11} frames as they pass"
        + ("  (as root: this lab has no other user)" if wrapped else ""),
        "  iptables -t nat -nvL       rules, with counters",
        "  exit                       leave; the lab stays up",
    ]
    return "\n".join(lines) + "\n"
