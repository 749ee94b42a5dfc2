"""Causes: why a packet ended short of its goal, layer by layer; each asks what was seen first.

A cause looks at a woven packet and answers with a reason, or with nothing. Their order is
that of `hopscope.trace.explain`: the surest evidence first.
"""
