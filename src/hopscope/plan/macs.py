"""MAC addresses that follow from names."""

import hashlib

from hopscope.model.vocab import DevRef, Mac

__all__ = ["mac_of"]


def mac_of(ref: DevRef) -> Mac:
    """A stable, locally administered address, so that every run of a lab reads the same."""
    digest = hashlib.sha256(str(ref).encode()).digest()
    return Mac(":".join(f"{byte:02x}" for byte in (2, *digest[:5])))
