"""The codes of `Reason`: every cause that hopscope tells apart. docs/journeys.md explains each."""

from typing import Final

__all__ = ["REASONS"]

REASONS: Final = (
    "rule-drop",
    "rule-reject",
    "rule-queue",
    "policy-drop",
    "device-chain",
    "no-route",
    "route-forbids",
    "not-forwarding",
    "reverse-path",
    "ipv6-off",
    "martian-source",
    "routing-loop",
    "time-exceeded",
    "too-big",
    "too-long",
    "no-such-address",
    "device-down",
    "queue-drop",
    "queue-wait",
    "port-not-forwarding",
    "isolated-ports",
    "bridge-loop",
    "no-layer-2-path",
    "arp-ignore",
    "silent",
    "unresolved",
    "wrong-neighbour",
    "refused",
    "dropped",
    "echo-ignored",
    "no-route-back",
    "no-answer",
    "reply-astray",
    "too-late",
    "unseen",
)
