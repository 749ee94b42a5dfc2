"""The kernel's tables are read: a Snapshot, or a part of one."""
