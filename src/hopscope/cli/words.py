"""What the call of a command is made of: arguments and options, and those that several share."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple

__all__ = [
    "AS_JSON",
    "LAB",
    "NAME",
    "NODE",
    "ON_HOST",
    "PROMISCUOUS",
    "QUIET",
    "RUNNING",
    "VERBOSE",
    "Argument",
    "Command",
    "Number",
    "Offer",
    "Option",
]


class Offer(Enum):
    """What a shell offers for a word that is being typed, where that depends on what there is."""

    BUILT_IN = auto()
    RUNNING = auto()
    NODES = auto()  # of the running lab that the first argument names
    FILES = auto()


class Argument(NamedTuple):
    """What stands at a place of its own. ``[NODE]`` may be missing; ``FILE…`` may be several words.

    Such a one is the last, and its value is a list.
    """

    metavar: str
    help: str
    default: str | tuple[str, ...] | None = None
    offers: Sequence[str | Offer] = ()

    @property
    def needed(self) -> bool:
        """Whether a call without it is a mistake."""
        return not self.metavar.startswith("[")

    @property
    def many(self) -> bool:
        """Whether it is all the words that are left."""
        return "…" in self.metavar

    @property
    def meaning(self) -> str:
        """What it is for, and what stands for it where it is missing."""
        one = self.default if isinstance(self.default, str) else ", ".join(self.default or ())
        return f"{self.help} Default: {one}." if one else self.help


class Number(NamedTuple):
    """How an option's value is read: a number within limits, which belong to it."""

    kind: type[int] | type[float]
    least: float
    most: float | None = None

    @property
    def limits(self) -> str:
        """In words."""
        return f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"

    def __call__(self, word: str, /) -> float:
        """The number that *word* is."""
        name = "a whole number" if self.kind is int else "a number"
        try:
            number = self.kind(word)
        except ValueError:
            number = float("nan")
        if self.least <= number and (self.most is None or number <= self.most):
            return number
        raise ArgumentTypeError(f"{word!r} is not {name}, {self.limits}")


class Option(NamedTuple):
    """What begins with a dash: with a *metavar* it has a value, without one it is a flag.

    ``[ADDRESS]`` may be missing, and *bare* is then meant. A flag that is set by *default* is
    unset by its ``--no-``.
    """

    names: tuple[str, ...]  # the long one first
    help: str
    metavar: str = ""
    value: Callable[[str], object] | Number = str
    default: object = None
    bare: str | None = None
    several: bool = False  # it may be repeated, and its value is a list
    keyword: str = ""  # what the command's function calls it; "": as its long name
    offers: Sequence[str | Offer] = ()

    @property
    def called(self) -> str:
        """What the command's function calls it."""
        return self.keyword or self.names[0].lstrip("-").replace("-", "_")

    @property
    def off(self) -> str:
        """The name that unsets it; empty where there is none."""
        return self.names[0].replace("--", "--no-", 1) if self.default is True else ""

    @property
    def meaning(self) -> str:
        """What it is for, what its value may be, and what is meant without it."""
        limits = f" {self.value.limits.capitalize()}." if isinstance(self.value, Number) else ""
        told = self.default is not None and not self.off
        default = f" Default: {self.default}." if told else ""
        return f"{self.help}{limits}{default}"


class Command(NamedTuple):
    """A command: what it is called with, and the function that gets it.

    Arguments are handed over by place, in their order here; options by keyword.
    """

    name: str
    does: str  # ``module.function``, beneath hopscope.cli; it is loaded when it is called
    help: str  # one sentence: it also stands in the list of all commands
    words: tuple[Argument | Option, ...] = ()
    more: str = ""  # paragraphs
    lists: tuple[str, Callable[[], Sequence[str]]] | None = None  # at the end of its help
    passes_on: bool = False  # after its last argument's first word, dashes are not ours

    @property
    def arguments(self) -> list[Argument]:
        """In their order."""
        return [word for word in self.words if isinstance(word, Argument)]

    @property
    def options(self) -> list[Option]:
        """In the order of its help."""
        return [word for word in self.words if isinstance(word, Option)]


LAB = Argument(
    "LAB",
    "A built-in lab's name (bridge) or a lab file; '-' is standard input.",
    offers=(Offer.BUILT_IN, Offer.FILES),
)
RUNNING = Argument("LAB", "The name of a running lab.", offers=(Offer.RUNNING,))
NODE = Argument("NODE", "A node of it.", offers=(Offer.NODES,))
NAME = Option(("--name",), "Run it under this name; the default is the lab's own.", "NAME")
ON_HOST = Option(("--on-host",), "The node 'host' is this machine's real network (root).")
AS_JSON = Option(("--json",), "Print JSON instead of text.")
QUIET = Option(("--quiet", "-q"), "Print nothing but errors.")
VERBOSE = Option(("--verbose", "-v"), "Also hooks without chains, and rules not matched.")
PROMISCUOUS = Option(
    ("--promiscuous",),
    "Watch bridges promiscuously, so that a capture shows forwarded frames on the bridge too; "
    "the default. It makes the bridge pass itself a copy of each frame.",
    default=True,
)
