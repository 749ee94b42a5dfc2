"""The report: a record as one self-contained page; pure but for reading its own templates."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from jinja2 import BytecodeCache, Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from hopscope.model.journey import HookStep, Step
from hopscope.model.record import Record
from hopscope.model.vocab import Nanos, Verdict
from hopscope.render.aligned import comparisons
from hopscope.render.assets import asset
from hopscope.render.changes import fdb_changes, neighbour_changes
from hopscope.render.pages import failures, matrices, picture_of_record, verdict, views
from hopscope.render.phrases import FILTERS
from hopscope.render.shown import shown
from hopscope.render.words import duration, headline, rule_lines, visit_words

__all__ = ["load_templates", "report"]

_FILES = (
    ("journeys.json", "this whole record, as data"),
    ("capture.pcapng", "every frame at every device, for Wireshark"),
    ("icmp.pcapng", "the echo requests and replies alone"),
    ("iptables.log", "the log lines in the kernel's own format"),
)
"""What a run leaves beside the page."""
_TEMPLATES = tuple(f"{name}.html.j2" for name in ("page", "parts", "story", "journey", "compare"))


def report(record: Record, *, compiled: BytecodeCache | None = None) -> str:
    """One HTML page that needs nothing else; every text of the record is escaped in it.

    *compiled*: what keeps the compiled templates, which saves the next
    call the greater part of its time.
    """
    style = _style()
    script = _asset("page.js")
    steps = views(record)
    ending = record.pings[-1].after if record.pings else record.initial
    return (
        _environment(compiled)
        .get_template("page.html.j2")
        .render(
            record=record,
            verdict=verdict(record),
            failures=failures(record),
            asked=bool(record.checks or record.pings or record.reachability),
            matrices=matrices(record),
            steps=steps,
            picture=picture_of_record(record),
            comparisons=comparisons(record),
            neighbours=neighbour_changes(record.initial, ending),
            fdb=fdb_changes(record.initial, ending),
            started=_moment(record.started),
            took=duration(record.finished - record.started),
            files=_FILES,
            style=style,
            script=script,
            policy=_policy(script),
        )
    )


def load_templates(compiled: BytecodeCache | None) -> None:
    """Compile the templates; `report` does so itself when it is not done."""
    environment = _environment(compiled)
    for name in _TEMPLATES:
        environment.get_template(name)


@cache
def _asset(name: str) -> Markup:
    return Markup(asset(name))  # noqa: S704 - a file of this package, not of a record


def _style() -> Markup:
    return _asset("page.css") + _asset("topology.css")


@cache
def _environment(compiled: BytecodeCache | None) -> Environment:
    environment = Environment(
        autoescape=True,
        bytecode_cache=compiled,
        loader=FunctionLoader(_asset),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "headline": headline,
        "duration": duration,
        "rule_lines": rule_lines,
        "visit_words": visit_words,
        "shown": shown,
        "markup": Markup,  # for pictures, which escape what they hold themselves
        "told": _told,
        **FILTERS,
    }
    return environment


def _policy(script: str) -> str:
    """A Content-Security-Policy: nothing is fetched, and only our own script runs."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _moment(at: Nanos) -> str:
    return datetime.fromtimestamp(at / 1_000_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _told(steps: Sequence[Step]) -> Iterator[Step | list[HookStep]]:
    """The steps; hooks at which no chain is registered come as lists, to be folded away."""
    silent: list[HookStep] = []
    for step in steps:
        if isinstance(step, HookStep) and not step.chains and step.verdict is not Verdict.DROP:
            silent.append(step)
            continue
        if silent:
            yield silent
            silent = []
        yield step
    if silent:
        yield silent
