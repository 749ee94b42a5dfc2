"""What runs in a lab's holder, PID 1 of its sandbox: the standard library, and little of ours."""
