"""What the user who runs the tests may do on this machine."""

import os

import pytest

__all__ = ["TAPS"]

TAPS = pytest.mark.skipif(
    os.geteuid() != 0 and not os.access("/dev/net/tun", os.R_OK | os.W_OK),
    reason="/dev/net/tun is root's alone here, so nobody else makes a tap",
)
"""For what makes a tap outside hopscope, or wants another error than that."""
