"""What the user who runs the tests may do on this machine."""

import os

import pytest

__all__ = ["MAY_TAP", "ROOT", "TAPS"]

ROOT = os.geteuid() == 0
MAY_TAP = ROOT or os.access("/dev/net/tun", os.R_OK | os.W_OK)

TAPS = pytest.mark.skipif(
    not MAY_TAP,
    reason="/dev/net/tun is root's alone here, so nobody else makes a tap",
)
"""For what makes a tap outside hopscope, or wants another error than that."""
