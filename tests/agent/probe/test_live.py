"""What a probe run shows while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from agent.probe.figures import DELAY_KEYS
from agent.probe.live import so_far, worst
from agent.probe.result import TargetResult
from foundation.text import Language


def result(target: str, *, sent: int = 10, received: int = 10, p50_ns: float = 1e6) -> TargetResult:
    made = TargetResult(target=target, protocol="icmp", sent=sent, received=received)
    made.rtt_ns = dict.fromkeys(DELAY_KEYS, p50_ns if received else float("nan"))
    made.forward_ns = made.backward_ns = dict.fromkeys(DELAY_KEYS, float("nan"))
    return made


class RunSoFar:
    """Stands for a run whose engine is not needed to show its figures."""

    def __init__(self, results: Sequence[TargetResult]) -> None:
        self._results = results
        self.finished_probes, self.planned_probes, self.received_probes = 20, 40, 19

    def results(self) -> Sequence[TargetResult]:
        return self._results


def shown(results: Sequence[TargetResult], most_rows: int, language: Language = "en") -> str:
    console = Console(width=120, record=True, file=None, quiet=False, stderr=True)
    with console.capture() as capture:
        console.print(so_far(RunSoFar(results), most_rows, language))  # type: ignore[arg-type] # a stand-in
    return capture.get()


def test_figures_so_far_have_a_row_a_target_and_the_progress() -> None:
    lines = shown([result("nanjing"), result("suzhou", received=9)], 10).splitlines()
    assert lines[1].split()[:4] == ["nanjing", "10", "10", "0.0%"]
    assert lines[2].split()[:4] == ["suzhou", "10", "9", "10.0%"]
    assert lines[3].split() == ["50%", "20", "of", "40", "probes,", "19", "answered"]


def test_where_lines_are_too_few_the_worst_targets_are_shown_and_that_is_said() -> None:
    results = [result(f"t{n}", p50_ns=n * 1e6) for n in range(5)] + [result("lossy", received=1)]
    assert [one.target for one in worst(results, 3)] == ["lossy", "t4", "t3"]
    text = shown(results, 3)
    assert "The 3 of 6 targets" in text
    assert "t0" not in text
    assert "共 6 个目标" in shown(results, 3, "zh")


def test_targets_that_were_never_probed_are_not_among_the_worst() -> None:
    results = [result("unknown", sent=0, received=0), result("fine"), result("silent", received=0)]
    assert [one.target for one in worst(results, 2)] == ["silent", "fine"]
