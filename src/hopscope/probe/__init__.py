"""Packets sent from inside nodes: one at a time, to be traced, or to all at once."""

from hopscope.probe.ping import Prober, Sent

__all__ = ["Prober", "Sent"]
