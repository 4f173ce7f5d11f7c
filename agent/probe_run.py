"""One probe run: streams for the targets, the engine over them, their figures at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent import probe_reasons
from agent.host_tables import HostTables
from agent.probe_figures import summaries
from agent.targets import ResolvedTarget
from probes.clocks.kernel import kernel_clock_bound_ns
from probes.engine.accumulate import FATES, LOCAL_DROP
from probes.engine.channel import ANSWERS
from probes.engine.destinations import refused_destinations
from probes.engine.engine import Engine
from probes.engine.report import SampleBatch
from probes.stream import ProtocolName, StreamSpec, TypeP
from probes.text import Text
from probes.window import STAMPING, WindowBatch

WINDOW_NS = 1_000_000_000
_RECEIVED, _LATE = FATES.index("received"), FATES.index("late")
_CLOSED = ANSWERS.index("closed")
_ON_PROGRESS_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """What every target of a run is probed with."""

    protocol: ProtocolName
    count: int
    interval_ms: float
    timeout_ms: float
    payload_bytes: int
    dscp: int
    port: int | None
    flows: int
    hmac_key: bytes | None = None


@dataclass(slots=True, kw_only=True)
class TargetResult:
    """What became of one target. `lost` counts late probes too; delays by probe_figures' keys.

    `error` tells why it was not probed, `remark` what else is to be known; in both `{targets}`
    stands for the target's name (agent.probe_reasons).
    """

    target: str
    protocol: ProtocolName
    address: str | None = None
    sent: int = 0
    received: int = 0
    late: int = 0
    duplicate: int = 0
    local_drop: int = 0
    stamping: str = "none"
    rtt_ns: dict[str, float] = field(default_factory=dict)
    forward_ns: dict[str, float] = field(default_factory=dict)
    backward_ns: dict[str, float] = field(default_factory=dict)
    clock_bound_ns: float = float("nan")
    error: Text | None = None
    remark: Text | None = None
    odd_replies: dict[str, int] = field(default_factory=dict)  # probes.stamp.oddities

    @property
    def lost(self) -> int:
        """Probes without an answer in time."""
        return self.sent - self.received


class ProbeRun:
    """Probes all targets that have an address."""

    def __init__(self, targets: Sequence[ResolvedTarget], options: ProbeOptions) -> None:
        self.targets = targets
        self.options = options
        self._samples: list[SampleBatch] = []
        self._windows: list[WindowBatch] = []
        self._lock = threading.Lock()
        self._tables = HostTables.read()
        self.finished_probes = self.received_probes = 0
        specs = [
            self._spec(number, target)
            for number, target in enumerate(targets)
            if target.address is not None
        ]
        self.planned_probes = len(specs) * options.count
        self._engine = Engine(
            specs,
            window_ns=WINDOW_NS,
            on_windows=self._take_windows,
            own_clock_bound_ns=kernel_clock_bound_ns,
            probes_per_stream=options.count,
            first_at_once=True,
            on_samples=self._take_samples,
            stamp_keys=None
            if options.hmac_key is None
            else {spec.destination: options.hmac_key for spec in specs},
        )

    def run(self, on_progress: Callable[[ProbeRun], None]) -> bool:
        """Probe to the end; False where Ctrl-C ended it early. Raises what the engine raises."""
        complete = True
        self._engine.start()
        try:
            while self._engine.health().streams and not self._engine.wait_until_finished(
                _ON_PROGRESS_S
            ):
                on_progress(self)
        except KeyboardInterrupt:
            complete = False
        # A second Ctrl-C ends the program; the first leaves out only what is in flight.
        self._engine.stop(wait_for_replies=complete)
        on_progress(self)
        return complete

    def results(self) -> list[TargetResult]:
        """Return one result a target, in the order of the targets."""
        results = [
            TargetResult(
                target=target.name,
                protocol=self.options.protocol,
                address=target.address,
                error=target.error,
            )
            for target in self.targets
        ]
        self._count(results)
        self._of_windows(results)
        for spec, odd in self._engine.odd_replies().items():
            results[spec.stream_id].odd_replies = odd
        self._errors(results)
        return results

    def _spec(self, number: int, target: ResolvedTarget) -> StreamSpec:
        assert target.address is not None
        assert target.ip_version is not None
        options = self.options
        return StreamSpec(
            stream_id=number,
            destination=target.address,
            type_p=TypeP(
                protocol=options.protocol,
                ip_version=target.ip_version,
                payload_bytes=options.payload_bytes,
                dscp=options.dscp,
                port=options.port,
                mode=msgspec.UNSET if options.hmac_key is None else "authenticated",
            ),
            interval_ms=options.interval_ms,
            flows=options.flows,
            timeout_ms=options.timeout_ms,
        )

    def _take_samples(self, batch: SampleBatch) -> None:
        with self._lock:
            self._samples.append(batch)
            self.finished_probes += batch.rows
            self.received_probes += int((batch.fate == _RECEIVED).sum())

    def _take_windows(self, batch: WindowBatch) -> None:
        with self._lock:
            self._windows.append(batch)

    def _count(self, results: list[TargetResult]) -> None:
        """Fill in counts, delays and stamping from the fate of every probe."""
        targets = len(results)
        target = self._column("stream_id", np.int64)
        fate = self._column("fate", np.int64)
        received = fate == _RECEIVED
        kinds = len(FATES)
        counts = np.bincount(target * kinds + fate, minlength=targets * kinds)
        counts = counts.reshape(targets, kinds)
        sent = counts.sum(axis=1) - counts[:, LOCAL_DROP]
        worst = np.full(targets, len(STAMPING))
        np.minimum.at(worst, target[received], self._column("stamping", np.int64)[received])
        figures = {
            name: summaries(target[received], self._column(name, np.float64)[received], sent)
            for name in ("rtt_ns", "forward_ns", "backward_ns")
        }
        for number, result in enumerate(results):
            result.sent = int(sent[number])
            result.received = int(counts[number, _RECEIVED])
            result.late = int(counts[number, _LATE])
            result.local_drop = int(counts[number, LOCAL_DROP])
            result.stamping = STAMPING[worst[number] % len(STAMPING)]
            for name, columns in figures.items():
                found = {key: float(column[number]) for key, column in columns.items()}
                setattr(result, name, found)

    def _column(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        parts = [getattr(batch, name) for batch in self._samples]
        return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)

    def _of_windows(self, results: list[TargetResult]) -> None:
        """Add what only windows tell: duplicates, and the bound of both ends' clocks."""
        bounds: dict[int, float] = {}
        for batch in self._windows:
            bound = batch.measures["clock_bound_ns"]
            for row, number in enumerate(batch.stream_id.tolist()):
                results[number].duplicate += int(batch.counters["duplicate"][row])
                if batch.counters["received"][row]:
                    # One window whose clocks were not trusted (NaN) spoils the run's one-way delay.
                    worst = np.maximum(bounds.get(number, 0.0), bound[row])
                    bounds[number] = float(worst)
        for number, worst_ns in bounds.items():
            results[number].clock_bound_ns = worst_ns

    def _errors(self, results: list[TargetResult]) -> None:
        """Add why targets were not probed or did not answer."""
        port, targets = self.options.port, len(results)
        refused = refused_destinations(self._engine.health().conditions)
        target, fate = self._column("stream_id", np.int64), self._column("fate", np.int64)
        received = fate == _RECEIVED
        cause = np.where(received, 0, self._column("cause", np.int64))
        commonest = probe_reasons.commonest_causes(target, cause, targets).tolist()
        tables = HostTables.read().since(self._tables)
        closed = self._column("answer", np.int64) == _CLOSED
        open_ports = np.bincount(target[received & ~closed], minlength=targets)
        for number, result in enumerate(results):
            if result.error is not None:
                continue
            if result.received:
                if not open_ports[number]:
                    result.remark = probe_reasons.closed(port)
            elif result.sent:
                said = self._engine.cause(commonest[number])
                result.remark = probe_reasons.unanswered(
                    result.protocol, said, result.address, port
                )
            elif result.local_drop:
                result.error = probe_reasons.not_sent(commonest[number], tables)
            else:
                result.error = refused.get(str(result.address))
