"""`make faults`: harm is done to a real fleet, and every probe must be accounted for afterwards.

One row a fault: windows and probes that the agents sent (their own durable count), that the store
holds, that were reported to the controller as dropped, and the difference, which must be nothing.
Beside them what an observer counted on the wire, with whom the agents' own count is compared.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from controller.commands.result_files import check_place, write_result
from foundation.errors import UsageError
from foundation.text import Text, counted, language_of_environment
from lab.faults.network import FaultNetwork
from lab.faults.sites import ADDRESSES, PROBES_PER_S
from lab.fleet.kernel import enter_new_mounts

if TYPE_CHECKING:
    from agent.spool.counts import Count
    from lab.faults.result import Result
    from lab.faults.rows import Fault

_A_TICK = 8  # probes that may be on the wire and not yet counted when a process is killed


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One fault and what became of everything that was sent."""

    fault: str
    title: Text
    done: Text
    windows_sent: int
    windows_stored: int
    windows_dropped: int
    windows_difference: int
    probes_on_the_wire: int
    probes_sent: int
    probes_stored: int
    probes_dropped: int
    probes_difference: int
    dropped_probes_by_reason: dict[str, int]
    problems: list[str]
    seconds: float


@click.command()
@click.argument("names", nargs=-1)
@click.option("--short", is_flag=True, help="Milder faults: a few seconds per row.")
@click.option("--seed", default=7, show_default=True, help="Seed for the moments of the faults.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the rows to this file."
)
@click.option("--overwrite", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep logs and stores in this directory."
)
@click.option("--list", "list_them", is_flag=True, help="List the faults.")
def faults(
    names: tuple[str, ...],
    short: bool,
    seed: int,
    json_file: Path | None,
    overwrite: bool,
    keep: Path | None,
    list_them: bool,
) -> None:
    """Do harm to a small fleet and account for every probe; exit code 1 if one is missing.

    NAMES choose faults; all without. It needs root, or user namespaces.
    """
    if json_file is not None:
        check_place(json_file, "--json", overwrite=overwrite)
    # First, since a process may enter them only while it has one thread, and numpy starts more.
    network = None if list_them else FaultNetwork(ADDRESSES)
    if network is not None:
        enter_new_mounts()
    from lab.faults.rows import FAULTS

    if network is None:
        click.echo("\n".join(fault.name for fault in FAULTS))
        return
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    if unknown := set(names) - {fault.name for fault in chosen}:
        raise UsageError(
            f"There is no fault {', '.join(sorted(unknown))}; see --list.",
            f"没有名为 {'、'.join(sorted(unknown))} 的故障；可用 --list 查看。",
        )
    place = keep or Path(tempfile.mkdtemp(prefix="isochrone-faults-"))
    place.mkdir(parents=True, exist_ok=True)
    rows = []
    click.echo(_heading())
    try:
        for fault in chosen:
            rows.append(run(network, place / fault.name, fault, seed, short=short))
            click.echo(_line(rows[-1]))
    finally:
        if keep is None:
            shutil.rmtree(place, ignore_errors=True)
    if json_file is not None:
        write_result(json_file, msgspec.json.format(msgspec.json.encode(rows), indent=1))
    sys.exit(int(any(row.problems for row in rows)))


def run(network: FaultNetwork, place: Path, fault: Fault, seed: int, *, short: bool) -> Row:
    """Do one kind of harm to its own fleet and count."""
    from lab.faults.stage import on_stage

    began = time.monotonic()
    with on_stage(network, place, seed) as stage:
        done = fault.act(stage, fault.few_rounds if short else fault.rounds)
        result = stage.finish()
    return Row(
        fault=fault.name,
        title=fault.title,
        done=done,
        windows_sent=result.sent.windows,
        windows_stored=result.stored.windows,
        windows_dropped=result.dropped.windows,
        windows_difference=result.difference.windows,
        probes_on_the_wire=result.on_the_wire,
        probes_sent=result.sent.probes,
        probes_stored=result.stored.probes,
        probes_dropped=result.dropped.probes,
        probes_difference=result.difference.probes,
        dropped_probes_by_reason={
            reason: count.probes for reason, count in result.by_reason.items()
        },
        problems=problems_of(fault, result),
        seconds=round(time.monotonic() - began, 1),
    )


def problems_of(fault: Fault, result: Result) -> list[str]:
    """Return all that must not be."""
    problems = [*result.problems, *fault.problems(result)]
    if result.difference:
        problems.append(f"not accounted for: {_of(result.difference)}")
    if result.waiting:
        problems.append(f"still waiting: {_of(result.waiting)}")
    if strange := result.by_reason.keys() - set(fault.losses):
        problems.append(f"dropped without need: {', '.join(sorted(strange))}")
    cut_off = result.by_reason.get("cut_off")
    if cut_off and cut_off.probes > result.agent_kills * PROBES_PER_S * fault.cut_off_s:
        problems.append(
            f"too much cut off by {counted(result.agent_kills, 'kill')}: {_of(cut_off)}"
        )
    if abs(result.on_the_wire - result.sent.probes) > result.agent_kills * _A_TICK:
        problems.append(f"an observer counted {counted(result.on_the_wire, 'probe')} on the wire")
    return problems


def _of(count: Count) -> str:
    return f"{counted(count.windows, 'window')}, {counted(count.probes, 'probe')}"


_WIDTHS = (24, 26, 7, 7, 7, 5, 8, 8, 8, 8, 5, 6)


def _heading() -> str:
    language = language_of_environment()
    words = {
        "en": "fault,done,windows,stored,dropped,diff,on wire,sent,stored,dropped,diff,s",
        "zh": "故障,动作,窗口,入库,丢弃,差额,线上,发包,入库,丢弃,差额,秒",
    }[language]
    return _aligned(words.split(","))


def _line(row: Row) -> str:
    language = language_of_environment()
    reasons = ", ".join(f"{reason} {n}" for reason, n in row.dropped_probes_by_reason.items())
    cells = [row.title.pick(language), row.done.pick(language)]
    cells += [str(n) for n in (row.windows_sent, row.windows_stored, row.windows_dropped)]
    cells += [str(row.windows_difference), str(row.probes_on_the_wire), str(row.probes_sent)]
    cells += [str(row.probes_stored), str(row.probes_dropped), str(row.probes_difference)]
    line = _aligned([*cells, f"{row.seconds:.0f}"])
    line += f"  {reasons}" if reasons else ""
    return "\n".join([line, *(f"    PROBLEM: {problem}" for problem in row.problems)])


def _aligned(cells: list[str]) -> str:
    """Return cells in columns; Chinese characters take two."""
    padded = []
    for index, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True)):
        space = " " * (width - sum(2 if ord(each) > 0x2E80 else 1 for each in cell))
        padded.append(cell + space if index < 2 else space + cell)
    return " ".join(padded)


if __name__ == "__main__":
    faults()
