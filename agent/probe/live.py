"""What is known of a probe run while it runs, shown on a terminal and taken off it at the end."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.probe.output import figures_table
from foundation.text import Language, Text, language_of_environment

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

    from agent.probe.result import TargetResult
    from agent.probe.run import ProbeRun

_EVERY_S = 0.5
_REST = 20  # showing takes a twentieth of the time at the most, however many probes there are
_OTHER_LINES = 4  # beside the rows: headings, progress, which targets are shown, the cursor
_PROGRESS = Text(
    "{share}  {done} of {planned} probes, {answered} answered",
    "{share}  已完成 {done}/{planned}，收到应答 {answered}",
)
_WORST = Text(
    "The {shown} of {all} targets with most loss, then with the longest delay.",
    "共 {all} 个目标，此处按丢包率、时延从高到低显示前 {shown} 个。",
)


class LiveFigures:
    """Shows the figures so far on standard error twice a second; nothing where nobody watches.

    Of more targets than a terminal has lines it shows those that are worst.
    """

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._live: Live | None = None
        self._next_s = time.monotonic() + _EVERY_S

    def show(self, run: ProbeRun) -> None:
        """Show how far a run is, if it is time to."""
        if not self._watched or time.monotonic() < self._next_s or run.finished_probes == 0:
            return
        if self._live is None:
            # Here, not above: a run that is over at once does not wait for it.
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            self._live = Live(
                console=console,
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        begun_s = time.monotonic()
        lines = self._live.console.height - _OTHER_LINES
        self._live.update(so_far(run, max(lines, 1), language_of_environment()), refresh=True)
        now_s = time.monotonic()
        self._next_s = now_s + max(_EVERY_S, _REST * (now_s - begun_s))

    def end(self) -> None:
        """Take what was shown off the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def so_far(run: ProbeRun, most_rows: int, language: Language) -> Group:
    """Return what is known of a run now: a table of `most_rows` at most, and the progress."""
    from rich.console import Group

    results = run.results()
    shown = worst(results, most_rows)
    lines = []
    if len(shown) < len(results):
        told = _WORST.pick(language)
        lines.append(told.format(shown=len(shown), all=len(results)))
    done, planned = run.finished_probes, run.planned_probes
    progress = _PROGRESS.pick(language).format(
        share=f"{done / planned if planned else 1:4.0%}",
        done=done,
        planned=planned,
        answered=run.received_probes,
    )
    return Group(figures_table(shown, language), *lines, progress)


def worst(results: Sequence[TargetResult], most: int) -> list[TargetResult]:
    """Return all results in order, or where they are too many those with most loss, then delay."""
    if len(results) <= most:
        return list(results)

    def badness(result: TargetResult) -> tuple[float, float]:
        median_ns = result.rtt_ns["p50"]
        loss_ratio = result.lost / result.sent if result.sent else -1.0
        return loss_ratio, -math.inf if math.isnan(median_ns) else median_ns

    return sorted(results, key=badness, reverse=True)[:most]
