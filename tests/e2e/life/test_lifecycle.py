"""up, ls, down, run: what they say, what they leave, and what they do when it is odd."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dying import dying
from hopscope.kernel.state import LabFile
from hopscope.kernel.waiting import wait_until
from hoststate import look, processes, settled

pytestmark = pytest.mark.kernel

Hopscope = Any
"""The class of the fixture `hopscope`, in conftest."""


def _labs(hopscope: Hopscope) -> list[str]:
    done = hopscope("ls", "--json")
    assert done.returncode == 0, done.stderr
    return [lab["name"] for lab in json.loads(done.stdout)]


def _pid(hopscope: Hopscope, name: str) -> int:
    pid: int = json.loads((hopscope.state / name / "lab.json").read_text())["pid"]
    return pid


def test_a_run_leaves_the_host_as_it_was(hopscope: Hopscope, tmp_path: Path) -> None:
    """Everything that can be seen of the machine's network is the same before and after."""
    before = look(state=hopscope.state)
    done = hopscope("run", "bridge", "--quiet", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert list(hopscope.state.iterdir()) == []


def test_a_standing_lab_does_not_show_on_the_host(hopscope: Hopscope) -> None:
    """Not even while it stands is anything of it to be seen but its process."""
    before = look()
    hopscope.up("bridge", "seen")
    assert settled(before, look) == []
    assert hopscope("down", "seen").stdout == "seen is down\n"
    assert settled(before, look) == []
    assert processes(hopscope.state) == []


def test_up_twice_and_down_twice_say_so(hopscope: Hopscope) -> None:
    hopscope.up("bridge", "twice")
    again = hopscope("up", "bridge", "--name", "twice")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == "twice is up already; nothing to change\n"
    assert _labs(hopscope) == ["twice"]
    assert hopscope("down", "twice").returncode == 0
    absent = hopscope("down", "twice")
    assert absent.returncode == 2
    assert "'twice' is not up; no lab is running" in absent.stderr


def test_of_two_at_once_one_is_up(hopscope: Hopscope) -> None:
    """Whoever comes second is told, or finds nothing to change, and the lab of the first stands."""
    racers = [hopscope.start("up", "bridge", "--name", "race") for _ in range(4)]
    told = [racer.communicate(timeout=30) for racer in racers]
    assert {racer.returncode for racer in racers} <= {0, 2}, told
    assert all("already up" in err or "race is up" in out for out, err in told)
    assert sum("enter it" in out for out, _err in told) == 1
    assert len(processes(hopscope.state)) == 1
    assert hopscope("exec", "race", "ns1", "--", "true").returncode == 0


def test_a_killed_holder_leaves_a_record_that_is_cleared(hopscope: Hopscope) -> None:
    """Ls does not tell of it, down says what happened, and the name is free."""
    before = look(state=hopscope.state)
    hopscope.up("bridge", "killed")
    os.kill(_pid(hopscope, "killed"), signal.SIGKILL)
    wait_until(lambda: not processes(hopscope.state), "the holder's end", within=5)
    assert _labs(hopscope) == []
    done = hopscope("down", "killed")
    assert done.returncode == 0
    assert "had ended already" in done.stdout
    assert list(hopscope.state.iterdir()) == []
    assert settled(before, lambda: look(state=hopscope.state)) == []


def _stale(hopscope: Hopscope, record: str | None) -> Path:
    """As after a reboot: a folder, a lock that nobody holds, and perhaps a record."""
    folder: Path = hopscope.state / "stale"
    folder.mkdir(mode=0o700, parents=True)
    hopscope.state.chmod(0o700)
    (folder / "lock").touch()
    (folder / "control").touch()
    if record is not None:
        (folder / "lab.json").write_text(record)
    return folder


@pytest.mark.parametrize("undo", ["", None])
def test_a_stale_record_does_not_hinder_up(hopscope: Hopscope, undo: str | None) -> None:
    lab = LabFile("stale", 4242, "sandbox", "", "", ("ns1",), "host", 7)
    _stale(hopscope, undo if undo is None else json.dumps(lab._asdict()))
    assert _labs(hopscope) == []
    hopscope.up("bridge", "stale")
    assert _labs(hopscope) == ["stale"]


@pytest.mark.parametrize("record", ["", "{", '{"name": "stale"}'])
def test_a_stale_record_that_cannot_be_read_is_kept_and_told(
    hopscope: Hopscope, record: str
) -> None:
    """It may be all that tells what is to be undone. Other labs do not mind it."""
    folder = _stale(hopscope, record)
    assert _labs(hopscope) == []
    for command in (["up", "bridge", "--name=stale"], ["down", "stale"]):
        done = hopscope(*command)
        assert done.returncode == 3, done.stdout
        assert str(folder / "lab.json") in done.stderr
        assert f"rm -r {folder}" in done.stderr
        assert (folder / "lab.json").read_text() == record
    hopscope.up("bridge", "other")
    assert _labs(hopscope) == ["other"]
    shutil.rmtree(folder)
    hopscope.up("bridge", "stale")


def test_a_standing_lab_whose_record_cannot_be_read_is_listed_and_ended(hopscope: Hopscope) -> None:
    hopscope.up("bridge", "odd")
    hopscope.up("bridge", "plain")
    (hopscope.state / "odd" / "lab.json").write_text("{")
    listed = hopscope("ls")
    assert listed.returncode == 3
    assert re.search(r"^odd +unreadable$", listed.stdout, re.MULTILINE), listed.stdout
    assert re.search(r"^plain +sandbox ", listed.stdout, re.MULTILINE), listed.stdout
    assert str(hopscope.state / "odd" / "lab.json") in listed.stderr
    rows = json.loads(hopscope("ls", "--json").stdout)
    assert [(row["name"], row["mode"]) for row in rows] == [
        ("plain", "sandbox"),
        ("odd", "unreadable"),
    ]
    assert "lab odd: not checked: " in hopscope("doctor").stdout
    for command in (["exec", "odd", "ns1", "--", "true"], ["ping", "odd", "ns1", "ns2"]):
        done = hopscope(*command)
        assert done.returncode == 3
        assert "mend it with: hopscope down odd" in done.stderr
    done = hopscope("down", "--all")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["odd is down", "plain is down"]
    assert done.stderr == "note: the record of odd could not be read, and was removed\n"
    assert processes(hopscope.state) == []
    assert list(hopscope.state.iterdir()) == []


@pytest.mark.root
def test_labs_are_found_and_ended_where_nothing_can_be_written(hopscope: Hopscope) -> None:
    """Their records are on a file system that has become read only."""
    hopscope.up("bridge", "fixed")
    script = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift; exec "$@"'
    fixed = ("unshare", "-m", "sh", "-ec", script, "sh", str(hopscope.state))
    inside = replace(hopscope, argv=(*fixed, *hopscope.argv))
    assert _labs(inside) == ["fixed"]
    assert inside("exec", "fixed", "ns1", "--", "true").returncode == 0
    done = inside("down", "fixed")
    assert done.returncode == 3
    assert "lab 'fixed' has ended; its record cannot be removed: " in done.stderr
    assert processes(hopscope.state) == []
    assert "had ended already" in hopscope("down", "fixed").stdout


def test_killing_the_holder_of_a_run_ends_it_in_words(hopscope: Hopscope, tmp_path: Path) -> None:
    """While it pings: exit status 3, what happened, nothing left."""
    before = look(state=hopscope.state)
    lab = tmp_path / "long.yaml"
    lab.write_text(_LONG)
    run = hopscope.start("run", str(lab), "--out", str(tmp_path / "out"))
    record = hopscope.state / "long" / "lab.json"
    wait_until(lambda: record.exists() and bool(_pid(hopscope, "long")), "the lab", within=20)
    os.kill(_pid(hopscope, "long"), signal.SIGKILL)
    _out, err = run.communicate(timeout=30)
    assert run.returncode == 3, err
    assert "holder process has ended" in err
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert list(hopscope.state.iterdir()) == []


def test_down_ends_the_run_of_another_process(hopscope: Hopscope, tmp_path: Path) -> None:
    """The run says that its lab is gone, and takes nothing that has its name by then."""
    lab = tmp_path / "long.yaml"
    lab.write_text(_LONG)
    run = hopscope.start("run", str(lab), "--out", str(tmp_path / "out"))
    wait_until(lambda: "long" in _labs(hopscope), "the lab", within=20)
    assert hopscope("down", "long").returncode == 0
    hopscope.up("bridge", "long")
    _out, err = run.communicate(timeout=30)
    assert run.returncode == 3, err
    assert _labs(hopscope) == ["long"]
    assert hopscope("exec", "long", "ns1", "--", "true").returncode == 0


def test_down_ends_what_runs_inside(hopscope: Hopscope) -> None:
    """A command, and a daemon that left its parent, end with the lab."""
    hopscope.up("bridge", "busy")
    mark = "86399.125"
    daemon = f"setsid sleep {mark} </dev/null >/dev/null 2>&1 & echo started; sleep {mark}"
    command = hopscope.start("exec", "busy", "ns1", "--", "sh", "-c", daemon)
    assert command.stdout is not None
    assert command.stdout.readline() == "started\n"
    wait_until(lambda: len(_sleepers(mark)) >= 2, "two sleepers", within=5)
    assert hopscope("down", "busy").returncode == 0
    assert command.wait(10) == 137
    assert _sleepers(mark) == []
    command.communicate()


def _sleepers(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == f"sleep\0{mark}\0".encode():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_what_runs_inside_holds_nothing_of_the_lab(hopscope: Hopscope) -> None:
    """Its lock, log and sockets are the holder's alone, even in a program that it starts."""
    hopscope.up("bridge", "closed")
    done = hopscope("exec", "closed", "ns1", "--", "sh", "-c", "ls -l /proc/self/fd")
    assert done.returncode == 0
    assert str(hopscope.state) not in done.stdout
    assert "socket:" not in done.stdout


def test_several_are_ended_at_once(hopscope: Hopscope) -> None:
    """One that is not there keeps no other; each is told."""
    for name in ("one", "two"):
        hopscope.up("bridge", name)
    done = hopscope("down", "one", "nothing", "two", "never", "one")
    assert done.returncode == 2
    assert done.stdout == "one is down\ntwo is down\n"
    assert [line.partition(";")[0] for line in done.stderr.splitlines()] == [
        "hopscope: lab 'nothing' is not up",
        "hopscope: lab 'never' is not up",
    ]


def test_all_are_ended(hopscope: Hopscope, tmp_path: Path) -> None:
    """But one that ends with its run; where there is none, that is no mistake."""
    hopscope = replace(hopscope, state=tmp_path / "state")
    for name in ("one", "two"):
        hopscope.up("bridge", name)
    lab = tmp_path / "long.yaml"
    lab.write_text(_LONG)
    run = hopscope.start("run", str(lab), "--out", str(tmp_path / "out"))
    wait_until(lambda: "long" in _labs(hopscope), "the run's lab", within=20)
    assert hopscope("down", "--all").stdout == "one is down\ntwo is down\n"
    again = hopscope("down", "--all")
    assert (again.returncode, again.stdout) == (0, "no lab is running\n")
    assert _labs(hopscope) == ["long"]
    assert hopscope("down", "long").returncode == 0
    run.communicate(timeout=30)


@pytest.mark.parametrize("arguments", [(), ("--all", "one")])
def test_which_are_to_end_is_said(hopscope: Hopscope, arguments: tuple[str, ...]) -> None:
    """By names, or by --all; not by neither, and not by both."""
    done = hopscope("down", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "hopscope down --all" in done.stderr
    assert ("exclude each other" in done.stderr) == bool(arguments)


def test_a_stopped_holder_is_told_and_can_be_ended(hopscope: Hopscope) -> None:
    """Down does not hang on a holder that does not answer; it says what to do."""
    hopscope.up("bridge", "stopped")
    pid = _pid(hopscope, "stopped")
    os.kill(pid, signal.SIGSTOP)
    done = hopscope("down", "stopped")
    assert done.returncode == 3
    assert f"kill -9 {pid}" in done.stderr
    assert done.stderr.count("mend it with") == 1
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes(hopscope.state), "its end", within=5)
    assert hopscope("down", "stopped").returncode == 0


@pytest.mark.parametrize("command", ["up", "run"])
def test_one_that_is_dying_is_in_nobodys_way(
    hopscope: Hopscope, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("HOPSCOPE_STATE", str(hopscope.state))
    out = ["--out", str(tmp_path / "out")] if command == "run" else []
    with dying(LabFile("bridge", 4242, "sandbox", "", "", ("ns1",), "host", 7)):
        done = hopscope(command, "bridge", *out)
    assert done.returncode == 0, done.stderr
    assert "up already" not in done.stdout


@pytest.mark.parametrize("name", ["../../x", "a/b", "", ".", "..", "-x", "a b", "é", "x" * 64])
def test_odd_names_are_refused_before_anything_is_made(hopscope: Hopscope, name: str) -> None:
    done = hopscope("up", "bridge", f"--name={name}")
    assert done.returncode == 2
    assert "name" in done.stderr
    assert not hopscope.state.exists() or list(hopscope.state.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "absent"])
def test_down_of_no_lab_touches_nothing(hopscope: Hopscope, tmp_path: Path, name: str) -> None:
    (tmp_path / "lab.json").write_text("{}")
    (tmp_path / "x").mkdir()
    done = hopscope("down", "--", name)
    assert done.returncode == 2
    assert "is not up" in done.stderr
    assert (tmp_path / "lab.json").read_text() == "{}"
    assert (tmp_path / "x").is_dir()


def test_the_longest_name_and_a_long_path(hopscope: Hopscope, tmp_path: Path) -> None:
    """A socket's path may have 107 bytes, a host name 64: neither limits a lab."""
    deep = replace(hopscope, state=tmp_path / ("d" * 120) / "s" / ("e" * 120))
    name = "n" * 63
    assert deep.up("bridge", name) == name
    assert deep("exec", name, "ns1", "--", "true").returncode == 0
    assert deep("down", name).returncode == 0


def test_closed_standard_streams(hopscope: Hopscope) -> None:
    """Descriptors that take the numbers of closed streams are not mistaken for them."""
    argv = [*hopscope.argv, "up", "bridge", "--name", "closed"]
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *argv]
    done = subprocess.run(shell, env=hopscope.environment(), check=False, timeout=30)
    assert done.returncode == 0
    assert _labs(hopscope) == ["closed"]


def test_a_reader_of_the_output_does_not_wait_for_the_lab(hopscope: Hopscope) -> None:
    """$(hopscope up …) ends when the lab is up."""
    shell = f'x=$({" ".join(hopscope.argv)} up bridge --name piped 2>&1); echo "$x"'
    done = subprocess.run(
        ["sh", "-c", shell],
        env=hopscope.environment(),
        check=False,
        timeout=20,
        capture_output=True,
        text=True,
    )
    assert "piped is up" in done.stdout


def test_a_reader_that_leaves_ends_the_run(hopscope: Hopscope, tmp_path: Path) -> None:
    """Hopscope run … | head -1: nothing is left, and no traceback."""
    before = look(state=hopscope.state)
    run = subprocess.Popen(
        [*hopscope.argv, "run", "bridge", "--out", str(tmp_path / "out")],
        env=hopscope.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.close()
    with run:
        said = run.stderr.read()
    assert run.returncode in (1, 141), said
    assert b"Traceback" not in said
    assert settled(before, lambda: look(state=hopscope.state)) == []


def test_a_detached_lab_survives_its_terminals_end(hopscope: Hopscope) -> None:
    """It is in no session and group of whoever started it."""
    hopscope.up("bridge", "alone")
    pid = _pid(hopscope, "alone")
    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgrp()
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    for descriptor in (0, 1, 2):
        assert Path(f"/proc/{pid}/fd/{descriptor}").readlink() == Path("/dev/null")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """A mount namespace in which *tmp_path*/small is a disk of 16 KiB: a command that enters it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    place = tmp_path / "small"
    place.mkdir()
    mount = f"mount -t tmpfs -o size=16k,nr_inodes=8,mode=0700 none {place} && echo up && cat"
    keeper = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == b"up\n"
    with keeper:  # its end is its input's
        yield ("nsenter", f"--target={keeper.pid}", "--mount", "--wdns=/")


def test_a_full_disk_is_told(hopscope: Hopscope, small: tuple[str, ...], tmp_path: Path) -> None:
    """Where no record can be written, nothing is built; where one can, the lab stands."""
    full = replace(hopscope, state=tmp_path / "small")
    fill = f"head -c 16384 /dev/zero > {full.state}/filler"
    subprocess.run([*small, "sh", "-c", fill], check=False)
    before = look(state=full.state)
    done = full("up", "bridge", before=small)
    assert done.returncode == 3, done.stderr
    assert "cannot record running labs" in done.stderr
    assert "No space left on device" in done.stderr
    assert "HOPSCOPE_STATE" in done.stderr
    assert settled(before, lambda: look(state=full.state)) == []
    subprocess.run([*small, "rm", f"{full.state}/filler"], check=True)
    assert full("up", "bridge", before=small).returncode == 0
    subprocess.run([*small, "sh", "-c", fill], check=False)
    # now that it is full, the log has no room; the lab works on
    done = full("ping", "bridge", "ns1", "ns2", before=small)
    assert done.returncode == 0, done.stderr
    assert full("down", "bridge", before=small).returncode == 0


def test_a_state_folder_that_cannot_be_made_is_told(hopscope: Hopscope, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = replace(hopscope, state=tmp_path / "file" / "state")("up", "bridge")
    assert done.returncode == 3
    assert "cannot record running labs" in done.stderr
    assert "HOPSCOPE_STATE" in done.stderr


def test_a_state_folder_of_someone_else_is_refused(hopscope: Hopscope, tmp_path: Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    done = replace(hopscope, state=place)("up", "bridge")
    assert done.returncode == 3
    assert "is not private to user" in done.stderr


def test_an_ordinary_user_does_it_all(ordinary: Hopscope) -> None:
    """No root: up, exec, down, run, and the host is as before."""
    before = look(state=ordinary.state)
    if ordinary("doctor").returncode not in (0, 1):
        pytest.skip("doctor does not run here")
    done = ordinary("up", "bridge")
    if "does not let us make namespaces" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert ordinary("exec", "bridge", "ns1", "--", "id", "-u").stdout == "0\n"
    assert ordinary("down", "bridge").returncode == 0
    out = ordinary.state.parent / "out"
    done = ordinary("run", "bridge", "-q", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert settled(before, lambda: look(state=ordinary.state)) == []


def test_sigterm_takes_the_lab_down(hopscope: Hopscope, tmp_path: Path) -> None:
    """As a service manager ends it."""
    before = look(state=hopscope.state)
    lab = tmp_path / "long.yaml"
    lab.write_text(_LONG)
    run = hopscope.start("run", str(lab), "--out", str(tmp_path / "out"))
    record = hopscope.state / "long" / "lab.json"
    wait_until(record.exists, "the lab", within=20)
    run.terminate()
    run.communicate(timeout=30)
    assert run.returncode == 143
    assert settled(before, lambda: look(state=hopscope.state)) == []
    assert list(hopscope.state.iterdir()) == []


_LONG = """
name: long
nodes:
  ns1: {addresses: {a: 10.9.0.1/24}}
  ns2: {addresses: {b: 10.9.0.2/24}}
links: [[ns1:a, ns2:b]]
story:
  - ping: {from: ns1, to: 10.9.0.9, count: 20, timeout: 1, expect: {reply: false}}
"""


def test_a_lab_inside_a_lab_has_no_pid_out_here(hopscope: Any, fresh: str, tmp_path: Path) -> None:
    """The number that counts in there is another process's here, which nobody is to kill."""
    (tmp_path / "inner.yaml").write_text("{name: inner, nodes: {a: {}}}")
    inner = tmp_path / "inner.yaml"
    made = hopscope("exec", fresh, "ns1", "--", *hopscope.argv, "up", str(inner), "-q")
    assert made.returncode == 0, made.stderr
    try:
        labs = {lab["name"]: lab["pid"] for lab in json.loads(hopscope("ls", "--json").stdout)}
        lines = {line.split()[0]: line.split()[2] for line in hopscope("ls").stdout.splitlines()}
        assert labs == {fresh: _pid(hopscope, fresh), "inner": None}
        assert (lines[fresh], lines["inner"]) == (str(labs[fresh]), "-")
    finally:
        assert hopscope("down", "inner").returncode == 0
