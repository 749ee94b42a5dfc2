"""A network of podman's, with a container that runs in it where one can, for tests beside it.

All of podman's that is not a network stays in a folder of the test's, in a mount namespace of its
own, and below one control group, which is removed. No image is fetched: the container's one
program is compiled here. Where a machine lets podman run no container, netavark, the program to
which podman gives networks, makes the same one for a namespace alone.
"""

import json
import os
import shlex
import shutil
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

__all__ = ["GATEWAY", "container", "keeper", "missing", "network"]

GATEWAY: Final = "10.89.7.1"
Inside = tuple[str, ...]
"""The words before a command that enter a namespace."""

_NETAVARK: Final = Path("/usr/lib/podman/netavark")
_PROGRAM: Final = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"
_LIMITS: Final = "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
"""By itself podman asks for more than may be given everywhere."""
_ASKED: Final = {
    "container_id": "c0ffee" * 10 + "c0ff",
    "container_name": "one",
    "networks": {"theirs": {"interface_name": "eth0", "static_ips": ["10.89.7.2"]}},
    "network_info": {
        "theirs": {
            "name": "theirs",
            "id": "5eed" * 16,
            "driver": "bridge",
            "network_interface": "podman7",
            "subnets": [{"subnet": "10.89.7.0/24", "gateway": GATEWAY}],
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": False,
            "ipam_options": {"driver": "host-local"},
        }
    },
    "port_mappings": [
        {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 1, "protocol": "tcp"}
    ],
}
"""What podman gives netavark for ``podman run --network theirs -p 8080:80``."""


def missing() -> str | None:
    """How to install what is not there; None when all is."""
    wanted = {"podman": "podman", "runc": "runc", "conmon": "conmon", str(_NETAVARK): "netavark"}
    packages = [package for program, package in wanted.items() if not shutil.which(program)]
    return f"apt-get install {' '.join(packages)}" if packages else None


def keeper(stack: ExitStack, inside: Inside, kind: str, first: str = "true") -> Inside:
    """A namespace of that *kind* that is there until the end, in which *first* was run."""
    argv = [*inside, "unshare", kind, "sh", "-c", f"{first} && echo ready && exec cat"]
    process = stack.enter_context(
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return "nsenter", f"--target={process.pid}", "--net"


def container(stack: ExitStack, inside: Inside, folder: Path) -> Inside:
    """One that runs in podman's network until *stack* ends; its port 8080 is published.

    AssertionError with podman's own words when it does not run; nothing is left of it then.
    """
    with ExitStack() as own:
        pid = _started(own, inside, folder)
        stack.enter_context(own.pop_all())
    return "nsenter", f"--target={pid}", "--net"


def _started(own: ExitStack, inside: Inside, folder: Path) -> int:
    apart = (*keeper(own, inside, "--mount", "mount -t tmpfs none /run"), "--mount")
    parent = f"hopscope-test-{os.getpid()}"
    options = "--runtime runc --cgroup-manager cgroupfs --network-backend netavark"
    places = f"--root {folder}/store --runroot /run/own --storage-driver vfs"

    def podman(words: str) -> str:
        return _done([*apart, "podman", *shlex.split(f"{options} {places} {words}")])

    own.callback(_remove_groups, parent)
    podman("network create --subnet 10.89.7.0/24 --disable-dns theirs")
    own.callback(podman, "network rm theirs")
    own.callback(podman, "rm --force --ignore --time 0 one")
    run = "run --detach --name one --network theirs --publish 8080:80"
    podman(f"{run} --cgroup-parent {parent} {_LIMITS} --rootfs {_root(folder)} /stay")
    [told] = json.loads(podman("inspect one"))
    return int(told["State"]["Pid"])


def _root(folder: Path) -> Path:
    """A root file system with one program."""
    root = folder / "root"
    root.mkdir()
    source = folder / "stay.c"
    source.write_text(_PROGRAM)
    _done(["cc", "-static", "-o", str(root / "stay"), str(source)])
    return root


def _remove_groups(name: str) -> None:
    """Control groups that podman made, and leaves."""
    for top in Path("/sys/fs/cgroup").glob(f"*/{name}"):
        for group in (*sorted(top.rglob("*"), reverse=True), top):
            with suppress(OSError):  # a file
                group.rmdir()


def network(stack: ExitStack, inside: Inside, folder: Path) -> Inside:
    """The same network, with a namespace in which nothing runs."""
    one = keeper(stack, inside, "--net")
    words = [str(_NETAVARK), "--config", f"{folder}/netavark", "setup"]
    pid = one[1].partition("=")[2]
    _done([*inside, *words, f"/proc/{pid}/ns/net"], stdin=json.dumps(_ASKED))
    return one


def _done(argv: list[str], *, stdin: str = "") -> str:
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{shlex.join(argv)}: {done.stderr}"
    return done.stdout
