"""Tables of a benchmark: measured in turns, printed side by side, with the goal beside them."""

from __future__ import annotations

import argparse
import datetime
import os
import re
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

Name = TypeVar("Name", bound=Hashable)
Figure = TypeVar("Figure")


@dataclass(frozen=True, slots=True)
class Goal:
    """What is demanded, whether it is met, and what was reached."""

    demand: str
    met: bool
    reached: str

    def __str__(self) -> str:
        return f"{'met' if self.met else 'MISSED'}: {self.demand} ({self.reached})"


@dataclass(frozen=True, slots=True)
class Report:
    """One table: `name` of the script, what is measured, columns, rows, goals and notes."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    goals: list[Goal] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the table for a terminal."""
        table = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.columns))]
        lines = [self.title, ""]
        for row in table:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        lines += ["", *(f"goal {goal}" for goal in self.goals), *self.notes]
        return "\n".join(lines)

    def document(self, where: str) -> str:
        """Return the table for a file, with the command that made it and the machine."""
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        lines = [f"# {self.title}", "", f"`python -m bench.{self.name}`, {day}. {where}.", ""]
        lines += [_row(self.columns), _row(("---", *["---:"] * (len(self.columns) - 1)))]
        lines += [_row(row) for row in self.rows]
        lines += ["", *(f"- Goal {goal}" for goal in self.goals)]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def in_turns(
    rounds: int, contenders: Mapping[Name, Callable[[], Figure]]
) -> dict[Name, list[Figure]]:
    """Call every contender once a round, so that a slow minute of the machine meets them all."""
    figures: dict[Name, list[Figure]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, measure in contenders.items():
            print(f"  round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            figures[name].append(measure())
    return figures


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return "median (least … most)"."""
    middle, least, most = np.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({least:,.{digits}f} … {most:,.{digits}f})"


def ratios(values: Sequence[float], beside: Sequence[float]) -> list[float]:
    """Return each value over that of the same round, so that a slow minute changes no ratio."""
    return [value / other for value, other in zip(values, beside, strict=True)]


def machine() -> str:
    """Describe the machine: kernel, processor, cores, load. No names, no paths."""
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    kernel = re.match(r"[\d.]+", os.uname().release)
    return (
        f"Linux {kernel.group() if kernel else 'unknown'} {os.uname().machine}, "
        f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} cores; "
        f"load average before the run {os.getloadavg()[0]:.1f}"
    )


def script(measure: Callable[[bool], Report]) -> None:
    """Run one benchmark from the command line and print its table."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write Markdown as well")
    arguments = parser.parse_args()
    where = machine()
    report = measure(arguments.quick)
    print(f"{report.text()}\n\n{where}")
    if arguments.save:
        arguments.save.write_text(report.document(where), encoding="utf-8")
