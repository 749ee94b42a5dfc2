"""Seconds that were measured, in rounds; and how they are said."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence

__all__ = ["cells", "middle", "ratio", "seconds_of", "shown", "table"]


def seconds_of(done: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    done()
    return time.perf_counter() - begun


def middle(figures: Sequence[float]) -> float:
    """The median."""
    return statistics.median(figures)


def ratio(figures: Sequence[float], others: Sequence[float]) -> float:
    """The median of the rounds' ratios: what slows a machine down in one round slows both."""
    return middle([one / other for one, other in zip(figures, others, strict=True)])


def cells(figures: Sequence[float]) -> list[str]:
    """Least, median and most."""
    return [shown(figure) for figure in (min(figures), middle(figures), max(figures))]


def shown(figure: float) -> str:
    """With three digits that count."""
    for limit, digits in ((0.00995, 4), (0.995, 3), (9.95, 2), (99.5, 1)):
        if abs(figure) < limit:
            return f"{figure:.{digits}f}"
    return f"{figure:.0f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first hold numbers."""
    line = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, line, *rows)) + "\n"
