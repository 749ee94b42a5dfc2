"""The sandbox and its holder: large letters, many descriptors, ends of either side."""

import errno
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from hopscope.errors import CannotError, KernelError
from hopscope.kernel import letters, state
from hopscope.kernel import sandbox as sandboxes
from hopscope.kernel.sandbox import Sandbox
from hopscope.kernel.state import LabFile
from hopscope.kernel.transport import Route
from hopscope.kernel.waiting import wait_until
from hopscope.model.vocab import NodeName
from hopscope.wire import rtnl

pytestmark = pytest.mark.kernel

HOST, NS1 = NodeName("host"), NodeName("ns1")


def recorded(sandbox: Sandbox) -> LabFile:
    """Its record, as another process would find it."""
    lab = LabFile(
        name="lab",
        pid=sandbox.pid,
        mode="sandbox",
        source="",
        file="",
        nodes=tuple(sandbox.nodes),
        home="host",
        started=1,
    )
    (state.state_home() / "lab" / "lab.json").write_text(json.dumps({"nodes": []}))
    state.Claim(state.state_home() / "lab", -1).write(lab)
    return state.find("lab")


def test_each_node_is_a_namespace(sandbox: Sandbox) -> None:
    numbers = {os.fstat(sandbox.ns_fd(node)).st_ino for node in sandbox.nodes}
    assert len(numbers) == 2
    assert os.stat("/proc/self/ns/net").st_ino not in numbers  # noqa: PTH116 - a magic link
    devices = sandbox.ask(NS1, rtnl.dump_links())
    assert len(devices) >= 1


def test_programs_see_the_devices_of_their_node_in_sys(sandbox: Sandbox) -> None:
    """Also one that was made after the lab's own /sys, which is the home's."""
    sandbox.run(NS1, ["ip", "link", "add", "inner", "type", "bridge"])
    look = ["ls", "/sys/class/net"]
    seen = {node: sandbox.run(node, look, own_sys=True).stdout for node in sandbox.nodes}
    assert b"inner" in seen[NS1].split()
    assert b"inner" not in seen[HOST].split()


def test_programs_find_their_own_host_name(sandbox: Sandbox) -> None:
    """Without a nameserver; the machine's own names are there, and its file is left alone."""
    before = Path("/etc/hosts").read_text()
    done = sandbox.run(NS1, ["sh", "-c", "getent hosts $(hostname); cat /etc/hosts"])
    told = done.stdout.decode()
    assert told.startswith("127.0.1.1")
    assert before in told
    assert Path("/etc/hosts").read_text() == before


def test_ctrl_c_leaves_no_watch_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it comes while one is begun: Python waits for every thread before it ends."""
    begun = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        begun(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), sandboxes._killing(-1, 60):
        pass
    watches = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    wait_until(lambda: not any(one.is_alive() for one in watches), "their end", within=10)


def test_programs_run_inside_and_their_ends_are_told(sandbox: Sandbox) -> None:
    done = sandbox.run(NS1, ["sh", "-c", "cat; echo oops >&2; exit 7"], b"words")
    assert (done.code, done.stdout, done.stderr) == (7, b"words", b"oops\n")
    assert sandbox.run(NS1, ["hopscope-no-such-program"]).code == 127
    assert sandbox.run(NS1, ["sh", "-c", "kill -9 $$"]).code == -9


def test_programs_inside_inherit_nothing(sandbox: Sandbox) -> None:
    """Neither lock, log nor sockets; and a limit on descriptors as the caller's was."""
    lines = sandbox.run(NS1, ["ls", "-l", "/proc/self/fd"]).stdout.decode()
    assert "socket:" not in lines
    assert "lock" not in lines
    assert "nflog" not in lines
    assert re.findall(r" (\d+) -> ", lines) == ["0", "1", "2", "3"]  # ls opens the last itself
    mask = sandbox.run(NS1, ["grep", "SigIgn", "/proc/self/status"]).stdout.split()[1]
    assert int(mask, 16) & (1 << (signal.SIGINT - 1)) == 0


def test_a_daemon_inside_does_not_keep_the_name(sandbox: Sandbox) -> None:
    """When the holder is killed, its daemons end and its lock is free."""
    sandbox.run(NS1, ["sh", "-c", "setsid sleep 86398 >/dev/null 2>&1 &"])
    os.kill(sandbox.pid, signal.SIGKILL)
    wait_until(lambda: "lab" in state.left_behind(), "the lock's end", within=5)
    state.claim("lab").clear()


def test_ended_processes_are_collected(sandbox: Sandbox) -> None:
    """The holder is PID 1 inside: orphans are its to collect."""
    for _ in range(5):
        sandbox.run(NS1, ["sh", "-c", "(sleep 0.01 &)"])

    def zombies() -> bytes:
        return sandbox.run(NS1, ["sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status"]).stdout

    wait_until(lambda: zombies() == b"", "no zombies", within=5)


def test_what_is_asked_ahead_waits_for_whoever_wants_it(sandbox: Sandbox) -> None:
    """Others are asked meanwhile; and an answer that nobody comes for is in nobody's way."""
    path = "/proc/sys/kernel/hostname"
    first, forgotten = sandbox.reading(HOST, [path]), sandbox.reading(NS1, ["/proc/self/nothing"])
    assert sandbox.run(NS1, ["echo", "meanwhile"]).stdout == b"meanwhile\n"
    assert first() == sandbox.read_files(HOST, [path]) == {path: "lab\n"}
    assert sandbox.run(NS1, ["echo", "after"]).stdout == b"after\n"
    assert forgotten() == {"/proc/self/nothing": None}


def test_what_was_asked_ahead_of_a_killed_holder_is_told(sandbox: Sandbox) -> None:
    os.kill(sandbox.pid, signal.SIGSTOP)
    answer = sandbox.reading(NS1, ["/proc/self/stat"])
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(CannotError, match="has ended"):
        answer()


def test_large_letters_arrive_whole(sandbox: Sandbox) -> None:
    """Far more than a datagram holds, there and back: requests, arguments, files, output."""
    paths = [f"/proc/sys/net/ipv4/no-such-{number:08}" for number in range(20_000)]
    assert sandbox.read_files(NS1, paths) == dict.fromkeys(paths)
    many = ["/proc/net/protocols"] * 100 + ["/proc/net/snmp"]
    assert set(sandbox.read_files(NS1, many)) == set(many)
    words = "x" * 100_000
    assert sandbox.run(NS1, ["sh", "-c", "echo ${#1}", "sh", words]).stdout == b"100000\n"
    assert len(sandbox.run(NS1, ["cat"], b"y" * 10_000_000).stdout) == 10_000_000


def test_three_hundred_nodes(start: "object") -> None:
    """More descriptors than one letter carries, and more than the usual limit of 1,024."""
    names = [f"n{number}-{'x' * 50}" for number in range(300)]
    made: Sandbox = start(*names)  # type: ignore[operator]
    kinds = (socket.AF_INET, socket.SOCK_DGRAM, 0)
    sockets = made.open_sockets([(node, *kinds) for node in made.nodes for _ in range(4)])
    assert len({one.fileno() for one in sockets}) == 1200
    numbers = {os.fstat(made.ns_fd(node)).st_ino for node in made.nodes}
    assert len(numbers) == 300
    for one in sockets:
        one.close()


def test_too_many_descriptors_are_told(sandbox: Sandbox) -> None:
    """Not silently fewer than were asked for."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = (
        "import resource, socket, sys\n"
        "from hopscope.kernel import letters\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))\n"
        "try: letters.receive(socket.socket(fileno=int(sys.argv[1])))\n"
        "except OSError as error: print(error.errno)\n"
    )
    with ours, theirs, Path(os.devnull).open() as null:
        letters.send(theirs, {"id": 1}, [null.fileno()] * 20)
        source = str(Path(letters.__file__).parents[2])
        done = subprocess.run(
            [os.sys.executable, "-c", script, str(ours.fileno())],  # type: ignore[attr-defined]
            pass_fds=[ours.fileno()],
            env={"PYTHONPATH": source},
            capture_output=True,
            check=False,
        )
    assert done.stdout == b"%d\n" % errno.EMFILE, done.stderr


def test_a_refusal_names_what_was_refused(sandbox: Sandbox) -> None:
    with pytest.raises(KernelError, match="no such sysctl") as raised:
        sandbox.write_sysctls(NS1, {"net/ipv4/absent": "1"})
    assert raised.value.code == errno.ENOENT
    with pytest.raises(KernelError) as raised:
        sandbox.open_socket(NodeName("absent"), socket.AF_INET, socket.SOCK_DGRAM, 0)
    assert raised.value.code == errno.ENOENT


BAD: dict[str, list[dict[str, object]]] = {
    "no-such-request": [{}],
    "nodes": [{}, {"names": ["x"], "home": None, "values": {"x": [5]}, "passing": False}],
    "sockets": [{}, {"sockets": [[NS1, 1 << 70, 3, 0]]}],
    "namespaces": [{"names": 5}],
    "doors": [{}],
    "read": [{"node": NS1, "paths": 5}],
    "write": [{}, {"files": [[]]}],
    "tap": [{"node": NS1, "name": "t", "index": "x"}],
    "run": [{"argv": ["true"], "env": {}, "sys": True}],
    "keep": [{}, {"quit": [], "stop": [], "start": []}],
    "record": [{"nodes": [NS1]}, {"nodes": [NS1], "table": "", "watched": []}],
    "watch": [{}, {"nodes": 5}],
    "own": [{"node": "nobody"}],
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_request_does_not_end_the_lab(sandbox: Sandbox, what: str) -> None:
    """Nor does it leave anything, and what is asked next is done."""
    for fields in BAD[what]:
        with pytest.raises(KernelError):
            sandbox._request(what, **fields)
    assert sandbox.run(NS1, ["true"]).code == 0
    assert sandbox.run(NS1, ["ls", "/run/netns"]).stdout == b"host\nns1\n"


def test_a_process_that_lacks_something_is_refused(sandbox: Sandbox) -> None:
    """Before it is started: its end would be the holder's."""
    wish: dict[str, object] = {
        "node": NS1,
        "name": "it",
        "argv": ["true"],
        "env": {},
        "folder": "/",
    }
    with pytest.raises(KernelError):
        sandbox.keep([wish], [], Path("/"))
    assert sandbox.processes() == []


def test_what_is_refused_leaves_no_descriptor(sandbox: Sandbox) -> None:
    """Though some of what was asked for had been opened."""
    folder = Path(f"/proc/{sandbox.pid}/fd")
    assert sandbox.run(NS1, ["true"]).code == 0  # what it handed over before is closed
    before = len(list(folder.iterdir()))
    socket_of = [NS1, socket.AF_INET, socket.SOCK_DGRAM, 0]
    bad: tuple[tuple[str, dict[str, object]], ...] = (
        ("namespaces", {"names": [NS1, "gone"]}),
        ("doors", {"node": "gone"}),
        ("sockets", {"sockets": [socket_of, [NS1, "x", 0, 0]]}),
        ("nodes", {"names": ["x", "y"], "home": None, "values": {"y": [5]}, "passing": True}),
    )
    for what, fields in bad:
        with pytest.raises(KernelError):
            sandbox._request(what, **fields)
    with Path(os.devnull).open("rb") as null, pytest.raises(KernelError):
        sandbox._request("record", [null.fileno()], nodes=[NS1], table="", watched=[])
    assert sandbox.run(NS1, ["true"]).code == 0
    assert len(list(folder.iterdir())) == before


def test_a_name_twice_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(KernelError) as raised:
        sandbox.make_nodes([NS1], home=None)
    assert raised.value.code == errno.EEXIST


def test_nodes_are_made_while_others_are_spoken_to(start: "object") -> None:
    """Whoever needs one waits for that one; each is what its values say."""
    made: Sandbox = start("first")  # type: ignore[operator]
    names = [NodeName(f"n{number}") for number in range(100)]
    path = "net/ipv4/ip_default_ttl"
    made.make_nodes(
        names, home=None, values=[(name, path, str(9 + n)) for n, name in enumerate(names)]
    )
    full = f"/proc/sys/{path}"
    assert made.read_files(NodeName("first"), [full]) == {full: "64\n"}
    assert made.read_files(names[70], [full]) == {full: "79\n"}
    assert made.run(names[99], ["true"]).code == 0
    assert made.nodes == (NodeName("first"), *names)


def test_many_nodes_do_not_share_one_procfs(start: "object", records: Path) -> None:
    """Their names in it would be found one after the other: 0063."""
    made: Sandbox = start(*(f"n{number}" for number in range(70)))  # type: ignore[operator]
    holder = Path(f"/proc/{made.pid}")
    looked = [os.stat(one) for one in (holder / "fd").iterdir()]  # noqa: PTH116 - magic links
    folders = {one.st_dev for one in looked if stat.S_ISDIR(one.st_mode)} - {records.stat().st_dev}
    assert len(folders) == 1
    assert os.stat(holder / "root/proc").st_dev not in folders  # noqa: PTH116


def test_a_value_that_is_refused_late_is_told_by_its_number(start: "object") -> None:
    """And whoever asked is told before; nobody waits for the rest."""
    made: Sandbox = start("first")  # type: ignore[operator]
    names = [NodeName(f"n{number}") for number in range(100)]
    values = [(name, "net/ipv4/ip_forward", "1") for name in names]
    values[60] = (names[60], "net/ipv4/no_such", "1")
    told: list[int | None] = []
    made.make_nodes(names, home=None, values=values, refused=lambda error: told.append(error.index))
    with pytest.raises(KernelError, match=r"n60: setting net.ipv4.no_such = 1.*no such sysctl"):
        made.await_nodes()
    assert told == [60]
    assert made.run(NodeName("first"), ["true"]).code == 0
    assert {names[0], names[60]} <= set(made.look_again())


def test_a_holder_that_is_killed_while_it_makes_nodes_is_told(start: "object") -> None:
    made: Sandbox = start("first")  # type: ignore[operator]
    made.make_nodes([NodeName(f"n{number}") for number in range(100)], home=None)
    os.kill(made.pid, signal.SIGKILL)
    with pytest.raises(CannotError, match="has ended"):
        made.await_nodes()
    made.stop()


def test_of_nodes_that_are_refused_none_is_left(start: "object") -> None:
    """Of one request; so they may be asked for again."""
    made: Sandbox = start("first", "bad")  # type: ignore[operator]
    names = [NodeName("one"), NodeName("two"), NodeName("bad"), NodeName("three")]
    made.make_nodes(names, home=None)  # the first one is there at once
    with pytest.raises(KernelError, match="bad"):
        made.await_nodes()
    assert NodeName("two") not in made.look_again()
    there = made.run(NodeName("first"), ["ls", "/run/netns"]).stdout.split()
    assert sorted(there) == [b"bad", b"first", b"one"]
    assert made.run(NodeName("bad"), ["true"]).code == 0
    made.make_nodes(names[1:2], home=None)
    assert made.run(NodeName("two"), ["true"]).code == 0


def test_a_killed_holder_is_told(sandbox: Sandbox) -> None:
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(CannotError, match="holder process has ended"):
        sandbox.run(NS1, ["true"])
    sandbox.stop()


def test_another_process_attaches_and_stops_it(sandbox: Sandbox) -> None:
    """By descriptors that the holder gives, not by a PID that could be another's."""
    sandbox.detach()
    lab = recorded(sandbox)
    other = Sandbox.attach(lab)
    assert other.run(NS1, ["true"]).code == 0
    other.stop()
    wait_until(lambda: "lab" in state.left_behind(), "the lock's end", within=5)


def test_one_that_attached_may_leave(sandbox: Sandbox) -> None:
    """The lab is not theirs; what they left running there ends."""
    other = Sandbox.attach(recorded(sandbox))
    other._send("run", (), {"node": NS1, "argv": ["sleep", "86397"], "env": dict(os.environ)})
    assert other.run(NS1, ["true"]).code == 0
    other.close()
    assert sandbox.run(NS1, ["true"]).code == 0

    def asleep() -> bytes:
        return sandbox.run(NS1, ["pidof", "sleep"]).stdout

    wait_until(lambda: asleep() == b"", "the sleeper's end", within=5)


def test_the_lab_ends_with_whoever_made_it(sandbox: Sandbox) -> None:
    """Unless it was detached."""
    process = os.pidfd_open(sandbox.pid)
    sandbox.close()
    assert select.select([process], [], [], 5)[0]
    os.close(process)


def test_programs_inside_do_not_end_the_lab(sandbox: Sandbox) -> None:
    """By what is meant for others of its name, or for all; and they have no signal blocked."""
    script = "for each in $(seq 64); do kill -$each 1; done; grep ^SigBlk: /proc/self/status"
    done = sandbox.run(NS1, ["sh", "-c", script])
    assert done.stdout.split() == [b"SigBlk:", b"0" * 16]
    assert sandbox.run(NS1, ["true"]).code == 0


def test_who_is_outside_may_end_it(sandbox: Sandbox) -> None:
    process = os.pidfd_open(sandbox.pid)
    os.kill(sandbox.pid, signal.SIGTERM)
    assert select.select([process], [], [], 5)[0]
    os.close(process)


def test_stop_leaves_no_process(sandbox: Sandbox) -> None:
    pid = sandbox.pid
    sandbox.stop()
    sandbox.stop()
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_a_dump_that_was_interrupted_is_in_nobodys_way(
    start: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses one on a socket during another (EBUSY)."""
    sandbox = start("ns1")
    routes = (f"route add 10.9.{n // 250}.{n % 250}/32 dev lo\n" for n in range(2000))
    text = "link set lo up\n" + "".join(routes)  # more than one datagram holds
    assert sandbox.run(NS1, ["ip", "-batch", "-"], text.encode()).code == 0

    def interrupted(_self: Route) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Route, "_answers", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sandbox.ask(NS1, rtnl.dump_routes(rtnl.AF_INET))
    assert sandbox.ask(NS1, rtnl.dump_links())

    class Sending:
        """A socket that is interrupted as soon as the kernel has the request."""

        def __init__(self, real: socket.socket) -> None:
            self._real = real

        def send(self, data: bytes) -> NoReturn:
            self._real.send(data)
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    with monkeypatch.context() as patch:
        route = sandbox._route(NS1)
        patch.setattr(route, "_socket", Sending(route._socket))
        with pytest.raises(KeyboardInterrupt):
            sandbox.ask(NS1, rtnl.dump_routes(rtnl.AF_INET))
    assert sandbox.ask(NS1, rtnl.dump_links())
