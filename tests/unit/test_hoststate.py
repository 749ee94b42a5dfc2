"""What a comparison of the host before and after must find."""

from hoststate import differences


def test_a_line_that_is_there_twice_is_one_too_many() -> None:
    """A rule that was doubled, as any that came; and one of two that went."""
    once, twice = {"nft": ["a"]}, {"nft": ["a", "a"]}
    assert differences(once, twice) == ["nft: new: a"]
    assert differences(twice, once) == ["nft: gone: a"]
    assert differences(twice, twice) == []
