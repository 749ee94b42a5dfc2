"""What this machine can do for a lab, and what mends what it cannot."""
