"""Trace: from events to journeys; pure, so that a recording replays to the same journey."""
