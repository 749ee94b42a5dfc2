"""The kernel: namespaces, the roads to them, and what is done and read there."""
