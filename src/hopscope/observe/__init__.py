"""Observers: each turns what one kernel source says into events, and knows its own loss."""
