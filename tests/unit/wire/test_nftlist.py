"""What nft tells of its tables, as texts to compare."""

import json
from collections.abc import Mapping

from hopscope.wire.nftlist import objects


def listing(*items: Mapping[str, object]) -> str:
    """As ``nft --json list table`` prints it."""
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *items]})


def test_what_passes_is_left_out() -> None:
    """Handles, counts, what a quota has used; but not how much it allows."""
    one = {"family": "inet", "name": "c", "table": "t"}
    text = listing(
        {"counter": {**one, "handle": 2, "packets": 5, "bytes": 420}},
        {"quota": {**one, "handle": 3, "bytes": 1000, "used": 7, "inv": False}},
        {"rule": {"handle": 7, "expr": [{"counter": {"packets": 1, "bytes": 2}}, {"drop": None}]}},
    )
    assert [json.loads(item) for item in objects(text)] == [
        {"counter": one},
        {"quota": {**one, "bytes": 1000, "inv": False}},
        {"rule": {"expr": [{"counter": {}}, {"drop": None}]}},
    ]


def test_the_order_of_elements_means_nothing_but_that_of_rules_does() -> None:
    """A set is a set."""
    sets = [{"set": {"name": "s", "elem": order}} for order in (["a", "b"], ["b", "a"])]
    assert objects(listing(sets[0])) == objects(listing(sets[1]))
    rules = [{"rule": {"expr": [verdict]}} for verdict in ("drop", "accept")]
    assert objects(listing(*rules)) != objects(listing(*reversed(rules)))


def test_elements_that_packets_put_there_are_nobodys_declaration() -> None:
    """Nor those that go away in time."""
    for flag in ("dynamic", "timeout"):
        kept = {"name": "s", "flags": [flag]}
        (item,) = objects(
            listing({"set": {**kept, "elem": [{"elem": {"val": "a", "expires": 5}}]}})
        )
        assert json.loads(item) == {"set": kept}
