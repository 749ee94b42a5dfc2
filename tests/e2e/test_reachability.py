"""hopscope reachability: of a running lab, or of one that is built for it; text, JSON, picture."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

pytestmark = pytest.mark.kernel


def test_a_running_lab(hopscope: Any, bridge: str) -> None:
    """It stays; all reached is exit status 0."""
    done = hopscope("reachability", bridge)
    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first.startswith(f"● {bridge}: 2 of 2 pairs reached  icmp, in ")
    assert rest[0].split() == ["from", "\\", "to", "ns1", "ns2"]
    assert bridge in hopscope("ls").stdout


def test_a_built_in_lab_is_built_and_taken_down(hopscope: Any) -> None:
    """A pair that fails is exit status 1, with the reason and what mends it."""
    done = hopscope("reachability", "firewall-drop", "--timeout", "0.3")
    assert (done.returncode, done.stderr) == (1, "")
    assert "0 of 2 pairs reached" in done.stdout
    assert "the chain's policy is drop" in done.stdout
    assert "hopscope exec firewall-drop host -- iptables -t filter -P FORWARD ACCEPT" in done.stdout
    assert "firewall-drop" not in hopscope("ls").stdout


def test_a_lab_file_under_another_name(hopscope: Any, tmp_path: Path) -> None:
    """Even where a lab of its own name runs."""
    file = tmp_path / "two.yaml"
    file.write_text(
        "name: two\nnodes:\n  a: {addresses: {eth0: 10.0.0.1/24}}\n"
        "  b: {addresses: {eth0: 10.0.0.2/24}}\nlinks: [[a:eth0, b:eth0]]\n"
    )
    hopscope.up(str(file), "two")
    done = hopscope("reachability", str(file), "--name", "other", "--from", "a", "--to", "b")
    assert done.returncode == 0
    assert done.stdout.startswith("● other: 1 of 1 pair reached")


def test_json_is_as_its_schema_says(hopscope: Any, bridge: str) -> None:
    """One document, versioned; the schema is printed too."""
    schema = json.loads(hopscope("schema", "reachability").stdout)
    for arguments in ((), ("--proto", "tcp", "--port", "9"), ("--from", "ns1", "--to", "host")):
        done = hopscope("reachability", bridge, *arguments, "--json")
        found = json.loads(done.stdout)
        Draft202012Validator(schema).validate(found)
        assert found["version"] == 1
        reached = all(pair["outcome"] in ("answered", "refused") for pair in found["pairs"])
        assert done.returncode == (0 if reached else 1)


def test_a_picture(hopscope: Any, bridge: str, tmp_path: Path) -> None:
    """It is written besides; where it cannot be, that is said."""
    file = tmp_path / "matrix.svg"
    done = hopscope("reachability", bridge, "--picture", str(file))
    assert done.returncode == 0
    assert file.read_text().startswith("<svg")
    done = hopscope("reachability", bridge, "--picture", str(file / "matrix.svg"))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"cannot write {file}: Not a directory" in done.stderr
    done = hopscope("reachability", bridge, "--picture", "-", cwd=tmp_path)
    assert (done.returncode, done.stdout[:4], list(tmp_path.iterdir())) == (0, "<svg", [file])
    assert "reached" not in done.stdout.split("</svg>")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--proto", "icpm"), "did you mean 'icmp'?"),
        (("--proto", "udp"), "name it: --port N"),
        (("--port", "80"), "icmp has no ports"),
        (("--picture", "x.png"), "no picture is meant by .png; its file ends in .svg"),
        (("--picture", "-", "--json"), "both mean standard output"),
        (("--from", "ns9"), "has no node 'ns9'"),
        (("--timeout", "0"), "is not a number, 0.01 to 60"),
    ],
)
def test_what_cannot_be_asked(
    hopscope: Any, bridge: str, arguments: tuple[str, ...], said: str
) -> None:
    """Exit status 2."""
    done = hopscope("reachability", bridge, *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_no_such_lab(hopscope: Any) -> None:
    """Neither running, nor built in, nor a file."""
    done = hopscope("reachability", "nowhere")
    assert done.returncode == 2
    assert "'nowhere' is not up" in done.stderr


def test_a_mend_says_that_a_built_lab_has_ended(hopscope: Any, tmp_path: Path) -> None:
    """Of one that stands it does not."""
    file = tmp_path / "deaf.yaml"
    file.write_text(
        "name: deaf\nnodes:\n  a: {addresses: {eth0: 10.0.0.1/24}}\n"
        "  b: {addresses: {eth0: 10.0.0.2/24}, iptables: [-A INPUT -j DROP]}\n"
        "links: [[a:eth0, b:eth0]]\n"
    )
    words = ("--timeout", "0.2", "--from", "a", "--to", "b")
    again = f"the lab has ended; for that command, first: hopscope up {file}"
    built = hopscope("reachability", str(file), *words, env={"COLUMNS": "300"}).stdout
    hopscope.up(str(file), "deaf")
    stands = hopscope("reachability", "deaf", *words, env={"COLUMNS": "300"}).stdout
    mend = "hopscope exec deaf b -- iptables -t filter -D INPUT -j DROP"
    assert (mend in built, mend in stands) == (True, True)
    assert (again in built, again in stands) == (True, False)


def test_ctrl_c_takes_a_built_lab_down(hopscope: Any, tmp_path: Path) -> None:
    """Also while it waits for what is late."""
    file = tmp_path / "silent.yaml"
    file.write_text(
        "name: silent\nnodes:\n  a: {addresses: {eth0: 10.0.0.1/24}}\n"
        "  b: {addresses: {eth0: 10.0.0.2/24}, iptables: [-A INPUT -j DROP]}\n"
        "links: [[a:eth0, b:eth0]]\n"
    )
    process = hopscope.start("reachability", str(file), "--timeout", "30")
    while "silent" not in hopscope("ls").stdout:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert "silent" not in hopscope("ls").stdout


def test_a_list_of_no_nodes_is_not_all_nodes(hopscope: Any, bridge: str) -> None:
    """As of a shell's variables that are not set; nor is no pair a success."""
    done = hopscope("reachability", bridge, "--from", ",")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--from names no node in ','; leave it out for all nodes" in done.stderr
    done = hopscope("reachability", bridge, "--from", "ns1", "--to", "ns1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing to probe from ns1 to ns1" in done.stderr
