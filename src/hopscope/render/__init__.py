"""Records as people read them: text, page, picture, log and capture; pure."""
