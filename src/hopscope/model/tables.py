"""The tables that ``show`` can show; apart from all else, so that ``--help`` loads nothing more."""

__all__ = ["TABLES"]

TABLES = (
    *("links", "neighbours", "fdb", "routes", "policy", "qdiscs"),
    *("rules", "sysctls", "topology"),
)
