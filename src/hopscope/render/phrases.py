"""Sentences and small texts that the report's page is set with; each is counted, not assumed."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from markupsafe import Markup, escape

from hopscope.model.journey import HookStep, Journey
from hopscope.model.record import Reply
from hopscope.render.aligned import Comparison
from hopscope.render.changes import Change
from hopscope.render.pages import Picture
from hopscope.render.way import bridges_crossed, entered_stacks, way
from hopscope.render.words import counted, duration, known_by, rule_lines

__all__ = ["FILTERS"]


def any_change(rows: Sequence[Change]) -> bool:
    """Whether anything in the tables is other than it was."""
    return any(row.word != "same" for row in rows)


def capitalize_first(text: str) -> str:
    """The text with a capital first letter and the rest as it is (ARP stays ARP)."""
    return text[:1].upper() + text[1:]


def coded(text: str) -> Markup:
    """The text, with what stands between backquotes set as code."""
    code = Markup("<code>{}</code>")
    parts = [
        code.format(part) if number % 2 else escape(part)
        for number, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts) if len(parts) % 2 else escape(text)


def lower_first(text: str) -> str:
    """The text as it stands within a sentence."""
    return text[:1].lower() + text[1:]


def signed(nanoseconds: int) -> str:
    """A time since the first event, which a copy may precede."""
    return duration(nanoseconds) if nanoseconds >= 0 else f"−{duration(-nanoseconds)}"


def span(journey: Journey) -> str:
    """How long a journey took from its first event to its last."""
    times = [point.at for point in way(journey) if point.at is not None]
    return duration(max(times) - min(times)) if times else "no time recorded"


def rtts(replies: Sequence[Reply]) -> str:
    """Many replies in one phrase: how many, and between which round-trip times."""
    times = [reply.rtt for reply in replies if reply.rtt is not None]
    if not times:
        return "none answered"
    between = f"{duration(min(times))} to {duration(max(times))}"
    return f"{len(times)} answered, after {between}"


def passed_over(step: HookStep) -> list[str]:
    """The rules of a hook that did not match."""
    return [
        f"{visit.table} {visit.chain}: {line.removeprefix('· ')}"
        for visit in step.chains
        for line, check in zip(rule_lines(visit), visit.rules, strict=True)
        if not check.matched
    ]


def summary(one: Comparison) -> str:
    """What is different, in a sentence or two."""
    changed, others = one.changed, one.others
    if not any(not pair.missing for pair in one.pairs):
        return "No packet of one kind was seen in both, so nothing can be compared."
    if not changed:
        return "Every step is the same in both."
    steps = "step is" if len(changed) == 1 else "steps are"
    count = f"{len(changed)} {steps} in one and not in the other"
    if others:
        hooked = len(changed) - len(others)
        return f"{count}; netfilter steps: {hooked}; other steps: {len(others)}."
    hooks = " → ".join(
        dict.fromkeys(
            str(row.only.step.hook) for row in changed if isinstance(row.only.step, HookStep)
        )
    )
    return f"{count}, and each of them is a netfilter step ({hooks}). Every other step is the same."


def caption(picture: Picture) -> str:
    """What the picture shows, as far as it was observed."""
    journey, ping = picture.journey, picture.ping
    if journey is None or ping is None:
        return "The lab as it was read from the kernel. No packet was seen, so no path is drawn."
    points = way(journey)
    seen = sum(point.seen and not point.lent for point in points)
    text = (
        f"Red: the way of the {journey.title} of ping {ping.number} ({ping.source} to "
        f"{ping.target}), drawn from {counted(seen, 'observation')} "
        "at its devices."
    )
    if journey.fate != "delivered":
        text += f" Its fate: {journey.fate}; a cross stands where it was last seen."
    bare = [ref for ref in bridges_crossed(journey) if ref.node not in entered_stacks(journey)]
    if bare:
        names = ", ".join(str(ref) for ref in bare)
        nodes = ", ".join(dict.fromkeys(str(ref.node) for ref in bare))
        text += (
            f" Yellow and dashed: the way from {names} up into the protocol stack of {nodes}, "
            "which this packet did not take."
        )
    if any(point.lent for point in points):
        text += (
            " The copy seen on the bridge itself was made for the capture, "
            "and the stack ignored it."
        )
    return text


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "any_change": any_change,
    "capitalize_first": capitalize_first,
    "caption": caption,
    "coded": coded,
    "known_by": known_by,
    "lower_first": lower_first,
    "passed_over": passed_over,
    "rtts": rtts,
    "signed": signed,
    "span": span,
    "summary": summary,
}
"""By the name that templates use."""
