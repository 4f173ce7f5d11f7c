"""Error of round trips over the lab's emulated path of 2 ms each way, beside the emulator's log.

Truth: for every probe the delays that the emulator applied to it both ways, from its own kernel
RX timestamps and departure.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.answerer import PORT, irtt_server, start_answerer
from bench.errors import COLUMNS, WARM_UP, collect
from bench.hosts import inside
from bench.peers import OURS, PEERS, Tool
from bench.report import Report, script
from bench.rtt_error import beside_peers
from bench.tap import is_test
from lab.fleet.emulator import Emulator
from lab.fleet.impairment import Paths, PathTable
from lab.fleet.networks import SiteNetwork, enter_hub, make_sites
from lab.fleet.packet_log import PacketLog, read_log

NEAR, FAR = "10.98.1.1", "10.98.1.2"
DELAY_NS = 2_000_000.0
_LOG_LINGER_S = 0.3  # the last TX timestamps come back within that


def _emulate(directory: Path, sites: list[SiteNetwork], stop: Path) -> None:
    table = PathTable.without_paths(len(sites))
    table.delay_ns[:] = DELAY_NS
    emulator = Emulator(
        Paths([NEAR, FAR], table),
        [site.hub_interface for site in sites],
        PacketLog(directory),
        seed=1,
        spin_ns=50_000,
    )
    emulator.run(lambda: not stop.exists())
    emulator.close()


class Wan:
    """Two sites, 2 ms apart."""

    def __init__(self, sites: list[SiteNetwork], directory: Path) -> None:
        self._sites = sites
        self._directory = directory
        self._runs = 0

    @contextmanager
    def carrying(self) -> Iterator[Path]:
        """Have a process carry packets; its log is in the directory afterwards."""
        self._runs += 1
        log = self._directory / str(self._runs)
        log.mkdir()
        stop = log / "stop"
        emulator = multiprocessing.get_context("fork").Process(
            target=_emulate, args=(log, self._sites, stop), daemon=True
        )
        emulator.start()
        try:
            yield log
        finally:
            time.sleep(_LOG_LINGER_S)
            stop.touch()
            emulator.join(10)
            emulator.kill()

    def rtt_errors(self, tool: Tool, count: int) -> NDArray[np.float64]:
        """Return what the tool said minus what the emulator did, a figure a probe."""
        near, far = self._sites
        with self.carrying() as log:
            if tool.kind == "irtt":
                with inside(far.descriptor), irtt_server(FAR), inside(near.descriptor):
                    said = tool.ping(FAR, count)
            else:
                with inside(far.descriptor):
                    answerer = start_answerer()
                with inside(near.descriptor):
                    said = tool.ping(FAR, count)
                answerer.end()
        rows = read_log(log)
        rows = rows[is_test(rows["head"], tool.kind, PORT)]
        applied_ns = rows["left_ns"] - rows["received_ns"]
        there, back = (applied_ns[rows["source"] == end] for end in (0, 1))
        if not len(there) == len(back) == len(said.rtt_ns):
            raise RuntimeError(f"{tool.name}: {len(there)} there, {len(back)} back")
        errors: NDArray[np.float64] = said.rtt_ns - there - back
        return errors[WARM_UP:]


def measure(quick: bool) -> Report:
    """Measure all in turns."""
    count, rounds = (60, 1) if quick else (200, 1)
    enter_hub()
    sites = make_sites([("near", [NEAR]), ("far", [FAR])])
    with tempfile.TemporaryDirectory() as directory:
        wan = Wan(sites, Path(directory))
        tools = (*OURS, *PEERS)
        errors = collect(tools, lambda tool: wan.rtt_errors(tool, count), rounds)
    return Report(
        name="wan_error",
        title="|RTT − truth| in µs over an emulated path of 2 ms each way, idle and busy",
        columns=("", *COLUMNS),
        rows=[(tool.name, *errors.cells(tool.name)) for tool in tools],
        goals=[
            goal
            for tool in OURS
            for goal in beside_peers(errors, tool.name, [peer.name for peer in PEERS])
        ],
        notes=(
            "Four crossings of a veth, a few µs each, lie between the emulator's timestamps and "
            "the hosts': they are in every tool's error.",
        ),
    )


if __name__ == "__main__":
    script(measure)
