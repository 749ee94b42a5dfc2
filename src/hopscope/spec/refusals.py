"""Broken rules as pydantic carries them, which hears of one at a time; knows no rule."""

from collections.abc import Sequence

from pydantic_core import PydanticCustomError

__all__ = ["refusal", "together", "wanted"]


def refusal(
    rule: str,
    message: str,
    *,
    text: str = "",
    hint: str = "",
    at: tuple[str | int, ...] = (),
    key: bool = False,
) -> PydanticCustomError:
    """A broken rule as pydantic carries it.

    *at* leads on from the value under validation; *key*: to the key there, not its value.
    """
    # the message travels as a value: braces in it are not placeholders
    told = {"said": message, "rule": rule, "text": text, "hint": hint, "at": at, "key": key}
    return PydanticCustomError("refused", "{said}", told)


def wanted(expected: str) -> PydanticCustomError:
    """The value is of a type that cannot be."""
    return PydanticCustomError("wanted", "must be {expected}", {"expected": expected})


def together(wrong: Sequence[PydanticCustomError]) -> PydanticCustomError:
    """Several refusals of one value as one: a round of reading for each would take long."""
    first, *others = (one.context or {} for one in wrong)
    return PydanticCustomError("refused", "{said}", {**first, "also": others})
