"""A lab from its declaration to the evidence of its run; joins all that is below."""
