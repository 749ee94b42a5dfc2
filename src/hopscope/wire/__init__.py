"""Wire: bytes of netlink messages and packets, both ways; no socket, no clock."""
