"""Rows and columns of every table: what a cell says and in which tone, not how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# A cell is spans of (text, tone); a tone is a name of the palette.
Spans = tuple[tuple[str, str], ...]


def plain(text: str, tone: str = "plain") -> Spans:
    """Return a cell of one span."""
    return ((text, tone),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `width` cells at least; `rank` 0 never goes, higher ranks go first when narrow.

    `stretch` is the share of spare width it takes, up to `most` cells.
    """

    key: str
    title: str  # msgid
    width: int
    align: Literal["left", "right"] = "left"
    rank: int = 0
    stretch: int = 0
    most: int = 40


def lay_out(columns: Sequence[Column], width: int, gap: int = 1) -> tuple[tuple[Column, int], ...]:
    """Return the columns that fit into `width` cells with the width of each.

    Columns of the highest rank leave first; spare width goes to those that stretch.
    """
    kept = list(columns)
    while len(kept) > 1 and _needed(kept, gap) > width:
        worst = max(column.rank for column in kept)
        if worst == 0:
            break
        kept.remove(next(column for column in reversed(kept) if column.rank == worst))
    widths = {column.key: column.width for column in kept}
    spare = max(0, width - _needed(kept, gap))
    growing = [column for column in kept if column.stretch and column.most > column.width]
    while spare and growing:
        for column in list(growing):
            step = min(column.stretch, spare, column.most - widths[column.key])
            widths[column.key] += step
            spare -= step
            if widths[column.key] >= column.most:
                growing.remove(column)
    return tuple((column, widths[column.key]) for column in kept)


def _needed(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width for column in columns) + gap * max(0, len(columns) - 1)
