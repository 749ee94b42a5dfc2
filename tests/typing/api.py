"""How Python users call hopscope; mypy checks it, nothing runs it.

What must be refused carries an ignore, and strict mypy reports an ignore that is not needed.
"""

from pathlib import Path
from typing import assert_type

from hopscope import (
    Fate,
    Hop,
    HopscopeError,
    Journey,
    KernelError,
    Lab,
    PingResult,
    Record,
    Snapshot,
    SpecError,
    StandingLab,
)
from hopscope.pytest_plugin import Labs

lab = Lab("two", description="words")
assert_type(lab, Lab)
assert_type(lab.node("host", bridges=["br0"]), Lab)
assert_type(lab.node("ns1", addresses={"eth0": "10.0.0.1/24"}, sysctls={"net.x": 1}), Lab)
assert_type(lab.node("ns2", bridges={"br0": {"stp": True}}, addresses={"e": ["a", "b"]}), Lab)
assert_type(lab.pool("pods", "10.244.0.0/16", reserved=["10.244.0.1"], prefix=24), Lab)
assert_type(lab.node("pod", count=200, addresses={"eth0": {"pool": "pods"}}), Lab)
assert_type(lab.node("web", addresses={"eth0": ["10.0.0.9/24", {"pool": "fd00::/64"}]}), Lab)
assert_type(lab.node("web", run=["nginx", {"command": ["a"], "ready": {"tcp": 80}}]), Lab)
assert_type(lab.link("ns1:eth0", "host:p1@br0", mtu=1400), Lab)
assert_type(lab.step(ping="ns1 -> ns2").step(show=["links"]), Lab)
assert_type(Lab.load(Path("lab.yaml")), Lab)
assert_type(Lab.from_text("name: a"), Lab)
assert_type(lab.to_text(), str)

with lab.up(name="other") as running:
    assert_type(running, StandingLab)
    assert_type(running.snapshot(["ns1"], rules=False), Snapshot)
    assert_type(running.set_sysctl("ns1", "net.ipv4.ip_forward", "1"), tuple[str, str])
    assert_type(running.run("ns1", ["true"]).stdout, bytes)
    assert_type(running.processes()[0].restarts, int)
    assert_type(running.output("web", "nginx"), str)
    result = running.ping("ns1", "ns2", count=3, timeout=0.5)
    assert_type(result, PingResult)
    assert_type(result.replied, bool)
    assert_type(running.ping("ns1", "ns2", expect={"path": ["ns1"], "loss": "0%"}).held, bool)
    assert_type(result.journeys, tuple[Journey, ...])
    assert_type(result.journeys[0].first, Hop)
    assert_type(result.journeys[0].fate, Fate)

assert_type(lab.run("folder"), Record)
assert_type(lab.run(Path("folder"), name="x", on_host=True), Record)
assert_type(StandingLab.named("two"), StandingLab)

try:
    lab.spec()
except SpecError as error:
    assert_type([problem.place.line for problem in error.problems], list[int])
except KernelError as error:
    assert_type(error.code, int)
except HopscopeError as error:
    assert_type(error.exit_code, int)


def uses_the_plugin(labs: Labs) -> None:
    """As a test would."""
    assert_type(labs("bridge"), StandingLab)
    assert_type(labs(Path("two.yaml")), StandingLab)
    assert_type(labs(lab).ping("ns1", "ns2"), PingResult)
    assert_type(labs.text("name: a"), StandingLab)
    labs(1)  # type: ignore[arg-type]


lab.node("ns1", "br0")  # type: ignore[call-arg, arg-type]
lab.node("ns1", addresses="10.0.0.1/24")  # type: ignore[arg-type]
lab.node(1)  # type: ignore[arg-type]
lab.link("ns1:eth0")  # type: ignore[call-arg]
lab.step("ping")  # type: ignore[call-arg]
running.ping("ns1", "ns2", 3)  # type: ignore[call-arg]
