"""Every benchmark, one after the other: `python -m bench [--quick] [--only NAME …]`.

Each table is printed and kept as bench/results/NAME.md; with --quick it is printed only.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

from bench.report import Report, machine

NAMES = (
    "icmp_rate",
    "stamp_rate",
    "rtt_error",
    "wan_error",
    "oneway_error",
    "target_shift",
    "agent_footprint",
    "start_up",
    "judge",
    "ingest_rate",
    "store_reads",
    "reconnect",
    "controller_memory",
)
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    arguments = parser.parse_args()
    where = machine()
    reports, failed = [], []
    for name in arguments.only:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            report = importlib.import_module(f"bench.{name}").measure(arguments.quick)
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            failed.append(name)
            continue
        reports.append(report)
        print(f"\n{report.text()}\n", flush=True)
        if not arguments.quick:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.md").write_text(report.document(where), encoding="utf-8")
    print(f"{where}\n{_summary(reports, failed)}")
    return 1 if failed else 0


def _summary(reports: list[Report], failed: list[str]) -> str:
    goals = [goal for report in reports for goal in report.goals]
    met = sum(goal.met for goal in goals)
    broken = f"; not measured: {', '.join(failed)}" if failed else ""
    return f"{met} of {len(goals)} goals met{broken}"


if __name__ == "__main__":
    sys.exit(main())
