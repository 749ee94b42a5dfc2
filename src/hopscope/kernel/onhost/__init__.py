"""With --on-host: the machine's real network namespace, changed with a mark and undone exactly."""
