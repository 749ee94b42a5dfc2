"""A foreign script and what is outside its sandbox: root's script, and an ordinary user's."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from command import HOPSCOPE, Hopscope, ordinary_user
from hopscope.errors import CannotError
from hopscope.lab.imports import import_lab, script
from permitted import ROOT

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("records")]


@pytest.fixture(scope="module", params=["own", "ordinary"])
def hopscope(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hopscope]:
    """The command as whoever runs the tests, and as an ordinary user."""
    folder = tmp_path_factory.mktemp("state")
    if request.param == "ordinary":
        yield from ordinary_user(folder)
    else:
        yield Hopscope(state=folder)


def printed(hopscope: Hopscope, *lines: str, **options: Any) -> Sequence[str]:
    """What these lines of a script print to its output, when they are imported."""
    text = "\n".join(("#!/bin/sh", "ip netns add a", *lines, "exit 3"))
    done = hopscope("import", "-", stdin=text, **options)
    assert done.returncode == 0, done.stderr
    said = [line.partition(" it had printed: ")[2] for line in done.stderr.splitlines()]
    return [line for line in said if line]


def made(above: str) -> Iterator[Path]:
    """A folder of ours in a place that is the machine's own; everyone may write in it."""
    if not ROOT:
        pytest.skip("only root makes folders there")
    folder = Path(above, f"hopscope-tests-{os.getpid()}")
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def hidden() -> Iterator[Path]:
    """One that a sandbox does not show."""
    yield from made("/opt")


@pytest.fixture
def shown() -> Iterator[Path]:
    """One that it shows, as programs are found beside it."""
    yield from made("/usr/local")


@pytest.mark.parametrize("place", ["shown", "hidden"])
def test_files_outside_stay_as_they_are(
    hopscope: Hopscope, request: pytest.FixtureRequest, place: str
) -> None:
    """Whoever may write them outside; and the script cannot make new ones."""
    folder = request.getfixturevalue(place)
    mine = folder / "mine"
    mine.write_text("as it was")
    mine.chmod(0o666)
    lines = [f"echo changed > {mine}", f"rm -f {mine}", f"touch {folder}/new", f"ls {folder}"]
    seen = printed(hopscope, *lines)
    assert mine.read_text() == "as it was"
    assert list(folder.iterdir()) == [mine]
    assert seen == (["mine"] if place == "shown" else [])


def test_nobody_outside_is_spoken_to(hopscope: Hopscope, hidden: Path) -> None:
    """Neither by a socket nor by a FIFO, though everyone may write them."""
    fifo = hidden / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{hidden}/socket")
        Path(hidden, "socket").chmod(0o666)
        listener.listen()
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect('{hidden}/socket')"
        lines = [f'python3 -c "{connect}" && echo CONNECTED', f"echo told > {fifo} && echo TOLD"]
        assert printed(hopscope, *lines, "python3 -c 'print(1)'") == ["1"]
    assert os.read(reader, 9) == b""
    os.close(reader)


def test_programs_of_the_path_are_there(hopscope: Hopscope, hidden: Path) -> None:
    """Their folder is, read only, and nothing beside it; but not one in which a home is."""
    for name in ("bin", "other"):
        Path(hidden, name).mkdir()
        program = Path(hidden, name, f"in-{name}")
        program.write_text("#!/bin/sh\necho $0\n")
        program.chmod(0o755)
    path = f"{hidden}/bin:{hidden}/other:/usr/bin"
    Path(hidden, "bin").chmod(0o777)
    lines = ["in-bin", "in-other", f"touch {hidden}/bin/new {hidden}/new", f"ls {hidden}/*"]
    seen = printed(hopscope, *lines, env={"PATH": path, "HOME": f"{hidden}/other/home"})
    assert seen == [f"{hidden}/bin/in-bin", "in-bin"]


def test_the_usual_names_of_own_folders_are_there(hopscope: Hopscope) -> None:
    """Scripts name namespaces in /var/run/netns."""
    assert printed(hopscope, "ls /var/run/netns; touch /var/tmp/x && echo made") == ["a", "made"]


def test_the_holder_is_out_of_reach(hopscope: Hopscope) -> None:
    """A script can neither stop it by tracing it, nor write what it has open, nor end it."""
    trace = "import ctypes; print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))"
    lines = [
        f"python3 -c '{trace}'",
        "ls /proc/1/fd | grep . && echo OPEN",
        "for each in /proc/1/fd/*; do echo >> $each && echo WRITTEN; done",
        "ls /proc/1/root/ && echo OPEN",
        "for each in $(seq 64); do kill -$each 1; done",
    ]
    assert printed(hopscope, *lines) == ["-1"]


def test_what_has_other_ways_in_is_the_sandboxes_own(hopscope: Hopscope) -> None:
    """Shared memory is; and cgroups, by which all that are our user's would be ended, none has."""
    lines = ["readlink /proc/self/ns/ipc", "unshare -C true && echo CGROUPS"]
    (ours,) = printed(hopscope, *lines)
    assert ours.startswith("ipc:")
    assert ours != str(Path("/proc/self/ns/ipc").readlink())


def test_what_a_script_takes_is_bounded(hopscope: Hopscope) -> None:
    """Its processes, its files, and each folder in which it may write."""
    lines = [
        "head -c 65M /dev/zero > /tmp/x; stat -c %s /tmp/x",
        "ulimit -u; ulimit -u 5000 && echo RAISED",
        "ulimit -d; cat /proc/self/oom_score_adj",
        "mkdir /tmp/own /tmp/more; mount -t tmpfs x /tmp/own",
        "mount -o size=10g,mode=0700 -t tmpfs x /tmp/more",
        "for each in /tmp /var/tmp /run /dev /tmp/own /tmp/more; do",
        "stat -f -c '%b %S' $each; done",
        "mount | grep -c '/tmp/own'",
    ]
    file, processes, memory, first, *folders, mounted = printed(hopscope, *lines)
    assert (int(file), int(processes)) == (64 << 20, 4096)
    assert (int(memory) << 10, int(first), int(mounted)) == (2 << 30, 1000, 1)
    sizes = [int(blocks) * int(size) for blocks, size in map(str.split, folders)]
    assert sizes == [256 << 20] * 6


def test_a_bound_that_was_hit_is_told() -> None:
    """In words of the sandbox, behind what the program said."""
    lines = (
        "#!/bin/sh",
        "ip netns add a",
        "python3 -c 'x = bytearray(3 << 30)'",
        "for n in 1 2 3 4 5; do head -c 60M /dev/zero > /tmp/$n; done",
    )
    _lab, notes = import_lab("\n".join(lines), "made.sh")
    memory, space = (str(note) for note in notes if "at most" in str(note))
    assert memory.startswith("made.sh:3: python3 -c 'x = bytearray(3 << 30)': ")
    assert memory.endswith("MemoryError (a program has 2 GiB of memory at most in a sandbox)")
    assert space.endswith("(a sandbox's own folders take 256 MiB at most each)")


KEYS = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
keyctl, add_key = {"x86_64": (250, 248), "aarch64": (219, 217)}.get(os.uname().machine, (-1, -1))
def found():
    return call(keyctl, 10, -3, b"user", b"hopscope-test", 0) > 0  # in the session keyring
"""
WITH_A_KEY = """
if call(keyctl, 1, None) < 0:  # a session keyring of its own
    sys.exit(77)
call(add_key, b"user", b"hopscope-test", b"word", 4, -3)
print("outside:", found(), file=sys.stderr, flush=True)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_keys_of_the_session_are_not_there() -> None:
    """A script has a session keyring of its own."""
    text = f"#!/bin/sh\nip netns add a\npython3 -c '{KEYS}print(found())'\nfalse\n"
    argv = [sys.executable, "-c", KEYS + WITH_A_KEY, str(HOPSCOPE), "import", "-"]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("a session keyring cannot be made here")
    assert done.stderr.startswith("outside: True\n")
    assert "it had printed: False" in done.stderr


@pytest.mark.parametrize("variable", ["PATH", "HOME"])
def test_links_that_lead_in_a_circle_are_passed_over(hopscope: Hopscope, variable: str) -> None:
    """As a shell does that looks for a program."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        Path(name, "one").symlink_to("other")
        Path(name, "other").symlink_to("one")
        path = f"{os.environ['PATH']}:{name}/one:{name}/one/bin:/no/such"
        given = {"PATH": path} if variable == "PATH" else {"HOME": f"{name}/one"}
        assert printed(hopscope, "echo there", env=given) == ["there"]


def test_what_a_script_prints_is_bounded() -> None:
    """It is told why there was no more; of what there was, the end."""
    lines = ("#!/bin/sh", "ip netns add a", "yes 'so long'")
    _lab, notes = import_lab("\n".join(lines), "made.sh")
    told = list(map(str, notes))
    assert "made.sh:3: yes 'so long': yes: standard output: File too large" in told
    assert any("(a file takes 64 MiB at most in a sandbox" in one for one in told)
    assert "made.sh:3: it had printed: so long" in told


def test_what_a_script_prints_may_be_anything() -> None:
    """A lab file holds it all the same: no line is too long, and all of it is text."""
    long = "tr '\\0' x < /dev/zero | head -c 2M"
    lines = ("#!/bin/sh", "ip netns add a", long, r"printf '\n\033[1mhere\0'", "false")
    text, notes = import_lab("\n".join(lines), "made.sh")
    assert str(notes[-1]) == "made.sh:4: it had printed: [1mhere"
    assert not any("to be mended" in str(one) for one in notes)
    assert len(text) < 5000


def test_a_script_that_holds_up_what_ends_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, records: Path
) -> None:
    """With its sandbox, of which nothing is left; that is told."""
    monkeypatch.setattr(script, "_GRACE", 0.5)
    text = "#!/bin/sh\nkill -STOP $PPID\nkill -STOP $$\n"
    with pytest.raises(CannotError, match="had not ended within 1 s, and both were killed"):
        import_lab(text, "made.sh", seconds=0.5)
    assert list(records.iterdir()) == []
