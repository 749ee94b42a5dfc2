"""`hopscope run bridge`: the facts of the run, read with tools that are not ours."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from permitted import ROOT

DEVICES = ("ns1/veth1a", "host/veth1b", "host/br0", "host/veth2b", "ns2/veth2a")
REQUEST, REPLY = "1", "2"  # of ARP
ECHO, ECHO_REPLY = "8", "0"


@pytest.fixture(scope="module")
def folder(hopscope: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one run of the reference lab left."""
    out = tmp_path_factory.mktemp("run") / "out"
    done = hopscope("run", "bridge", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def record(folder: Path) -> Any:
    """journeys.json, as any reader has it."""
    return json.loads((folder / "journeys.json").read_text())


def dissected(file: Path, *fields: str) -> list[list[str]]:
    """What tshark says of every frame."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    argv = ["tshark", "-r", str(file), "-T", "fields", "-E", "occurrence=a"]
    for field in fields:
        argv += ["-e", field]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    said = done.stderr.replace(
        'Running as user "root" and group "root". This could be dangerous.', ""
    )
    assert not said.strip(), said
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_leaves_the_five_files_of_a_run(folder: Path) -> None:
    """And nothing else: no half-written file."""
    names = {path.name for path in folder.iterdir()}
    wanted = {"report.html", "capture.pcapng", "icmp.pcapng", "iptables.log", "journeys.json"}
    assert names == wanted


def test_five_taps_see_each_packet_once(folder: Path) -> None:
    """One ARP exchange, at the first ping; one echo exchange per ping; at every device."""
    rows = dissected(
        folder / "capture.pcapng", "frame.interface_name", "arp.opcode", "icmp.type", "icmp.ident"
    )
    seen = Counter(tuple(row[:3]) for row in rows)
    for device in DEVICES:
        assert seen[device, REQUEST, ""] == 1
        assert seen[device, REPLY, ""] == 1
        assert seen[device, "", ECHO] == 3
        assert seen[device, "", ECHO_REPLY] == 3
    assert len(rows) == sum(seen.values()) == len(DEVICES) * 8


def test_the_capture_names_its_devices_in_the_order_of_the_path(folder: Path) -> None:
    """One interface block each, nanosecond times."""
    done = subprocess.run(
        ["capinfos", str(folder / "capture.pcapng")], capture_output=True, text=True, check=True
    )
    assert re.findall(r"Name = (\S+)", done.stdout) == list(DEVICES)
    assert set(re.findall(r"Time precision = (\w+)", done.stdout)) == {"nanoseconds"}


def test_frames_at_one_moment_carry_the_hooks_as_comments(folder: Path) -> None:
    """With the switch at 1, the frame at veth1b says which chains it met."""
    rows = dissected(
        folder / "capture.pcapng", "frame.interface_name", "icmp.type", "frame.comment"
    )
    said = [comment for device, kind, comment in rows if (device, kind) == ("host/veth1b", ECHO)]
    assert len(said) == 3
    assert "nat PREROUTING" not in said[1]
    order = [
        said[2].index(f"{chain}: 1 of")
        for chain in ("nat PREROUTING", "filter FORWARD", "nat POSTROUTING")
    ]
    assert order == sorted(order)


def test_what_became_of_the_copy_stands_at_the_bridge_s_own_frame(folder: Path) -> None:
    """Not at the frame that went on through the other port."""
    rows = dissected(folder / "capture.pcapng", "frame.interface_name", "frame.comment")
    copies = [device for device, said in rows if "made for the capture only" in said]
    assert set(copies) == {"host/br0"}
    echoes_and_arp_reply = 3 * 2 + 1  # the ARP request is for all, and so for the bridge too
    assert len(copies) == echoes_and_arp_reply


def test_icmp_pcapng_is_the_far_end_alone(folder: Path) -> None:
    """ns2/veth2a, as the exercise's `tcpdump -i veth2a -w icmp.pcapng` would have it."""
    rows = dissected(folder / "icmp.pcapng", "frame.interface_name", "icmp.type", "arp.opcode")
    assert {row[0] for row in rows} == {"ns2/veth2a"}
    assert len(rows) == 8


def test_log_lines_come_in_the_order_of_the_hooks(folder: Path) -> None:
    """The request meets all three; the reply, of a known connection, FORWARD alone."""
    lines = (folder / "iptables.log").read_text().splitlines()
    kinds = [(line.split("IN=")[0], "TYPE=8" in line) for line in lines]
    assert kinds == [
        ("Nat-PREROUTING-1-", True),
        ("Filter-FORWARD-1-", True),
        ("Nat-POSTROUTING-1-", True),
        ("Filter-FORWARD-1-", False),
    ]
    assert "IN=br0 OUT=br0 PHYSIN=veth1b PHYSOUT=veth2b" in lines[1]
    assert "IN= OUT=br0 PHYSIN=veth1b PHYSOUT=veth2b" in lines[2]


def test_log_lines_tell_the_packet_that_the_capture_holds(folder: Path) -> None:
    """Addresses, TTL, ID, sequence: field by field what tshark reads from the frame."""
    rows = dissected(
        folder / "icmp.pcapng", "icmp.type", "ip.id", "ip.ttl", "ip.len", "icmp.ident", "icmp.seq"
    )
    kind, ident, ttl, length, echo, seq = [row for row in rows if row[0] == ECHO][-1]
    assert kind == ECHO
    line = (folder / "iptables.log").read_text().splitlines()[0]
    for word in (
        f"ID={int(ident, 0)} ",
        f"TTL={ttl} ",
        f"LEN={length} ",
        "SRC=10.244.1.2 ",
        "DST=10.244.1.4 ",
        f" ID={int(echo, 0)} SEQ={int(seq, 0)} ",
        "PROTO=ICMP TYPE=8 CODE=0 ",
    ):
        assert word in line


def test_no_line_and_no_hit_with_the_switch_at_0(record: Any) -> None:
    """The second ping has the rules and not the switch."""
    second = [step for step in record["steps"] if step["kind"] == "ping"][1]
    assert second["switches"] == {"host/br0": "0"}
    assert second["log"] == []
    assert [delta["after"] - delta["before"] for delta in second["deltas"]] == [0, 0, 0, 0]


def test_each_rule_counts_what_the_log_shows(record: Any) -> None:
    """With the switch at 1; counters of the kernel, not ours."""
    third = [step for step in record["steps"] if step["kind"] == "ping"][2]
    hits = {d["log_prefix"] or "conntrack": d["after"] - d["before"] for d in third["deltas"]}
    assert hits == {
        "Nat-PREROUTING-1-": 1,
        "Nat-POSTROUTING-1-": 1,
        "Filter-FORWARD-1-": 2,
        "conntrack": 1,
    }


def test_every_journey_arrives_and_says_how_it_is_known(record: Any) -> None:
    """ARP request, ARP reply, echo request, echo reply, in this order."""
    pings = [step for step in record["steps"] if step["kind"] == "ping"]
    titles = [[journey["title"] for journey in ping["journeys"]] for ping in pings]
    echo = ["echo request", "echo reply"]
    assert titles == [["ARP request", "ARP reply", *echo], echo, echo]
    for ping in pings:
        for journey in ping["journeys"]:
            assert journey["fate"] == "delivered"
            steps = journey["first"]["steps"]
            assert all(step["basis"]["evidence"] for step in steps)


def test_journeys_json_keeps_to_its_schema(hopscope: Any, record: Any) -> None:
    """The one that `hopscope schema journeys` publishes."""
    schema = json.loads(hopscope("schema", "journeys").stdout)
    jsonschema.Draft202012Validator(schema).validate(record)


def test_the_report_needs_nothing_else(folder: Path) -> None:
    """One page: no address of another file but those beside it."""
    page = (folder / "report.html").read_text()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    for name in re.findall(r'href="([^"#:]+)"', page):
        assert (folder / name).exists(), name


def test_json_and_quiet_keep_the_terminal_clean(hopscope: Any, tmp_path: Path) -> None:
    """--json prints the document and nothing else; --quiet nothing."""
    told = hopscope("run", "bridge", "--json", "--out", str(tmp_path / "a"))
    assert json.loads(told.stdout)["lab"] == "bridge"
    quiet = hopscope("run", "bridge", "--quiet", "--out", str(tmp_path / "b"))
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_an_expectation_that_fails_exits_1_and_says_why(hopscope: Any, tmp_path: Path) -> None:
    """Expected, seen, and why, in one sentence each."""
    lab = tmp_path / "down.yaml"
    lab.write_text(
        "name: down\n"
        "nodes:\n"
        "  host: {bridges: [br0]}\n"
        "  ns1: {addresses: {a: 10.0.0.1/24}}\n"
        "  ns2: {addresses: {b: 10.0.0.2/24}, down: [b]}\n"
        "links: [[ns1:a, host:pa@br0], [ns2:b, host:pb@br0]]\n"
        "story: [{ping: {from: ns1, to: ns2, timeout: 0.3, expect: {reply: true}}}]\n"
    )
    done = hopscope("run", str(lab), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    assert "expected: a reply; seen: 0 of 1 requests answered" in told
    assert "ns2/b is down" in told


def test_colour_only_where_it_is_wanted(hopscope: Any, tmp_path: Path) -> None:
    """A pipe gets none."""
    done = hopscope("run", "bridge", "--out", str(tmp_path / "out"))
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("out", "status", "said"),
    [
        (
            "file/out",
            3,
            "{}/file: Not a directory\n  mend it with: name a folder where no",
        ),
        ("file", 3, "{}/file: Not a directory\n  mend it with: name a folder where no"),
        ("/proc/nowhere", 3, "/proc"),
        ("", 2, "option --out: needs a value, not an empty one"),
    ],
)
def test_a_folder_that_cannot_be_written_is_said(
    hopscope: Any, tmp_path: Path, out: str, status: int, said: str
) -> None:
    """What would do as well; and before anything is built, as far as it shows by then."""
    (tmp_path / "file").write_text("")
    done = hopscope("run", "bridge", "--out", str(tmp_path / out) if out else "")
    assert done.returncode == status
    assert said.format(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
    assert ("built in" in done.stdout) is (out == "/proc/nowhere" and ROOT)


def test_silence_that_nobody_expected_is_told(hopscope: Any, tmp_path: Path) -> None:
    """The exit status is that of the expectations; so the account must say it."""
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        "name: silent\n"
        "nodes: {a: {addresses: {x: 10.0.0.1/24}}, b: {addresses: {y: 10.0.0.2/24}}}\n"
        "links: [[a:x, b:y]]\n"
        "story:\n"
        "  - {ping: {from: a, to: b}}\n"
        "  - {ping: {from: a, to: 10.0.0.9, timeout: 0.2}}\n"
    )
    told = "1 of 2 pings got no reply; no expectation asked for it (exit status 0)"
    done = hopscope("run", str(lab), "--out", str(tmp_path / "out"))
    assert done.returncode == 0
    assert told in done.stdout.splitlines()
    quiet = hopscope("run", str(lab), "--quiet", "--out", str(tmp_path / "out"))
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    asked = lab.read_text().replace("timeout: 0.2", "timeout: 0.2, expect: {reply: false}")
    lab.write_text(asked)
    assert (
        "pings got no reply" not in hopscope("run", str(lab), "--out", str(tmp_path / "out")).stdout
    )


def test_a_line_of_the_account_is_whole_in_a_pipe(hopscope: Any, folder: Path) -> None:
    """Log lines as in the file, no trailing blanks, and the notes of journeys once a ping."""
    done = hopscope("run", "bridge", "--out", str(folder), env={"COLUMNS": "40"})
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line != line.rstrip()]
    logged = [line.rstrip() for line in (folder / "iptables.log").read_text().splitlines()]
    assert [line.removeprefix("  log  ") for line in lines if line.startswith("  log  ")] == logged
    assert len([line for line in lines if "watching changed the path" in line]) == 3


def test_runs_as_an_ordinary_user(ordinary: Any, tmp_path: Path) -> None:
    """No root, no Docker: the same facts."""
    out = ordinary.state.parent / "out"
    done = ordinary("run", "bridge", "--quiet", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    prefixes = [line.split("IN=")[0] for line in (out / "iptables.log").read_text().splitlines()]
    assert prefixes[:3] == ["Nat-PREROUTING-1-", "Filter-FORWARD-1-", "Nat-POSTROUTING-1-"]
