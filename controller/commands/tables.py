"""Tables on the command line: columns that line up, also where characters are two cells wide."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from foundation.text import plain


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row of `cells`, headings first, which are underlined."""
    rows = [[plain(cell) for cell in row] for row in cells]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines
