"""Labs as strangers make them: each run ends with the true fate and reason, and says it once."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hopscope.lab.declare import built_in
from strangers import STRANGERS, Stranger

pytestmark = pytest.mark.kernel


def perform(hopscope: Any, tmp_path: Path, text: str, *options: str) -> tuple[int, str, str]:
    """Run a lab file; its exit status, output and errors. The command must not take 30 s."""
    lab = tmp_path / "lab.yaml"
    lab.write_text(text)
    done = hopscope("run", str(lab), "--out", str(tmp_path / "out"), *options)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def ending(ping: dict[str, Any]) -> tuple[str, str | None]:
    """How the first request of a ping ended, and the code of why nothing came back."""
    request = next(j for j in ping["journeys"] if j["title"] == "echo request")
    return request["fate"], ping["reason"]["code"] if ping["reason"] else None


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_each_request_ends_with_its_true_fate_and_reason(
    hopscope: Any, tmp_path: Path, stranger: Stranger
) -> None:
    """A lab without expectations exits 0 whatever becomes of its pings."""
    code, out, errors = perform(hopscope, tmp_path, stranger.text, "--json")
    assert code == 0, errors
    pings = [step for step in json.loads(out)["steps"] if step["kind"] == "ping"]
    assert tuple(map(ending, pings)) == stranger.ends
    reasons = [ping["reason"] for ping in pings if ping["reason"]]
    for part in stranger.says:
        assert part in reasons[0]["sentence"] + " " + reasons[0]["mend"]
    for reason in reasons:
        assert "\n" not in reason["sentence"]
        assert not re.search(r"\bLAB\b", reason["mend"])


@pytest.mark.parametrize("name", built_in())
def test_built_in_labs_hold_for_an_ordinary_user(ordinary: Any, tmp_path: Path, name: str) -> None:
    """All that their stories expect is true without root."""
    out = ordinary.state.parent / "out"
    done = ordinary("run", name, "--quiet", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", built_in())
def test_built_in_labs_hold(hopscope: Any, tmp_path: Path, name: str) -> None:
    """All that their stories expect is true."""
    done = hopscope("run", name, "--quiet", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failed_expectation_is_told_and_exits_1(hopscope: Any, tmp_path: Path) -> None:
    """The reason stands beside the expectation that failed."""
    text = STRANGERS["drop-forward"].text.replace("timeout: 0.3", "expect: {reply: true}")
    code, out, _errors = perform(hopscope, tmp_path, text)
    assert code == 1
    said = " ".join(out.split())
    assert "expected: a reply; seen: 0 of 1 requests answered — in host, the rule" in said


def test_an_expected_loss_exits_0(hopscope: Any, tmp_path: Path) -> None:
    """What the lab file expects to be lost may be lost."""
    text = STRANGERS["drop-forward"].text.replace("timeout: 0.3", "expect: {reply: false}")
    assert perform(hopscope, tmp_path, text)[0] == 0


def test_a_mend_works_when_it_is_pasted(hopscope: Any, tmp_path: Path) -> None:
    """In a lab that stands, the command of the reason makes the ping succeed."""
    lab = tmp_path / "lab.yaml"
    lab.write_text(STRANGERS["ns2-down"].text)
    name = hopscope.up(str(lab), "mended")
    told = json.loads(hopscope("ping", name, "ns1", "10.244.1.4", "--json").stdout)
    words = told["reason"]["mend"].split()
    assert words[:4] == ["hopscope", "exec", name, "ns2"]
    assert hopscope(*words[1:]).returncode == 0
    again = json.loads(hopscope("ping", name, "ns1", "10.244.1.4", "--json").stdout)
    assert again["reason"] is None
    assert again["replies"][0]["rtt"] > 0


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_a_ring_of_bridges_ends_and_is_named(hopscope: Any, tmp_path: Path) -> None:
    """A storm is bounded: the run ends, keeps little, and says why nothing came back."""
    ring = STRANGERS["two-bridges"].text.replace(
        "story:", "  - [host:other0@br0, host:other1@br1]\nstory:"
    )
    lab = tmp_path / "lab.yaml"
    lab.write_text(ring)
    process = hopscope.start("run", str(lab), "--json", "--out", str(tmp_path / "out"))
    out, errors = process.communicate(timeout=150)
    assert (process.returncode, errors) == (0, "")
    ping = next(step for step in json.loads(out)["steps"] if step["kind"] == "ping")
    assert len(ping["observation"]["events"]) <= 25_000
    assert any("close a ring of bridges" in note for note in ping["notes"])
    if ping["reason"] is not None:  # a lucky request can get through
        assert "joined in a ring" in ping["reason"]["sentence"]
