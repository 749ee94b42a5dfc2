"""Plan: the ordered kernel operations that make a lab, compiled without touching the kernel."""
