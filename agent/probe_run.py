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
from agent.probe_findings import Marks, by_target, causes_of, why_not_sent, why_of_no_use
from agent.targets import ResolvedTarget
from probes.clocks.kernel import kernel_clock_bound_ns
from probes.engine.accumulate import FATES, LOST_FORWARD, UNREAD, WAS_NOT_SENT
from probes.engine.channel import ANSWERS
from probes.engine.destinations import refused_destinations
from probes.engine.discarded import DISCARDED, reason_of
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
    """What became of one target: asked = sent + not_sent, and sent = received + lost + unread +
    in_flight, of which there are some where a run was ended early.

    `lost` counts late probes too; delays by probe_figures' keys. `not_sent` is by NOT_SENT,
    `discarded` by DISCARDED: of the lost, those of which an answer came that was of no use.
    `unread`: this machine had no room for the answers. `error` tells why it was not probed,
    `remarks` what else is to be known; in both `{targets}` stands for the target's name
    (agent.probe_reasons).
    """

    target: str
    protocol: ProtocolName
    address: str | None = None
    asked: int = 0
    sent: int = 0
    not_sent: dict[str, int] = field(default_factory=dict)
    received: int = 0
    late: int = 0
    unread: int = 0
    in_flight: int = 0
    duplicate: int = 0
    discarded: dict[str, int] = field(default_factory=dict)
    marks: Marks = field(default_factory=Marks)
    stamping: str = "none"
    rtt_ns: dict[str, float] = field(default_factory=dict)
    forward_ns: dict[str, float] = field(default_factory=dict)
    backward_ns: dict[str, float] = field(default_factory=dict)
    clock_bound_ns: float = float("nan")
    error: Text | None = None
    remarks: list[Text] = field(default_factory=list)
    odd_replies: dict[str, int] = field(default_factory=dict)  # probes.stamp.oddities

    @property
    def lost(self) -> int:
        """Probes without an answer in time."""
        return self.sent - self.received - self.unread - self.in_flight

    @property
    def loss_ratio(self) -> float | None:
        """Lost of those of which it is known; None where there are none."""
        known = self.sent - self.unread - self.in_flight
        return self.lost / known if known else None


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
        complete = self._complete = True
        self._engine.start()
        try:
            while self._engine.health().streams and not self._engine.wait_until_finished(
                _ON_PROGRESS_S
            ):
                on_progress(self)
        except KeyboardInterrupt:
            complete = self._complete = False
        # A second Ctrl-C ends the program; the first waits for nothing that is in flight.
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
        for spec, count in self._engine.in_flight().items():
            results[spec.stream_id].in_flight = count
            results[spec.stream_id].sent += count
        self._account(results)
        self._errors(results)
        return results

    def _spec(self, number: int, target: ResolvedTarget) -> StreamSpec:
        assert target.address is not None
        assert target.ip_version is not None
        options = self.options
        return StreamSpec(
            stream_id=number,
            destination=target.address,
            source=target.source,
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
        sent = counts[:, :WAS_NOT_SENT].sum(axis=1)
        known = sent - counts[:, UNREAD]
        worst = np.full(targets, len(STAMPING))
        np.minimum.at(worst, target[received], self._column("stamping", np.int64)[received])
        figures = {
            name: summaries(target[received], self._column(name, np.float64)[received], known)
            for name in ("rtt_ns", "forward_ns", "backward_ns")
        }
        for number, result in enumerate(results):
            result.sent = int(sent[number])
            result.received = int(counts[number, _RECEIVED])
            result.late = int(counts[number, _LATE])
            result.unread = int(counts[number, UNREAD])
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

    def _account(self, results: list[TargetResult]) -> None:
        """Add what did not leave, what was of no use, and the DSCPs that were seen."""
        target, fate = self._column("stream_id", np.int64), self._column("fate", np.int64)
        cause = self._column("cause", np.int64)
        unsent = fate == WAS_NOT_SENT
        lost = (fate >= LOST_FORWARD) & (fate < UNREAD)
        errors = by_target(target[unsent], cause[unsent])
        useless = lost & (cause < 0)
        discarded = by_target(target[useless], reason_of(cause[useless]))
        tables = HostTables.read().since(self._tables)
        marks = {way: self._column(f"tos_{way}", np.int64) for way in ("forward", "backward")}
        seen = {
            way: by_target(target[known], tos[known])
            for way, tos in marks.items()
            for known in [(fate == _RECEIVED) & (tos >= 0)]
        }
        for number, result in enumerate(results):
            result.not_sent = causes_of(errors.get(number, {}))
            result.asked = result.sent + sum(result.not_sent.values())
            if self._complete and result.asked < self.options.count:  # it was never begun
                result.not_sent["other"] = self.options.count - result.asked
                result.asked = self.options.count
            counts = discarded.get(number, {})
            result.discarded = {DISCARDED[reason]: count for reason, count in counts.items()}
            result.marks = Marks(
                self.options.dscp, {way: seen[way].get(number, {}) for way in seen}
            )
            why = why_not_sent(errors.get(number, {}), tables, some=bool(result.sent))
            if result.sent:
                result.remarks += why
            elif why:
                result.error = why[0]
            result.remarks += why_of_no_use(result.discarded, result.unread)
            result.remarks += result.marks.remarks(result.protocol)

    def _errors(self, results: list[TargetResult]) -> None:
        """Add why targets were not probed or did not answer."""
        port, targets = self.options.port, len(results)
        refused = refused_destinations(self._engine.health().conditions)
        target, fate = self._column("stream_id", np.int64), self._column("fate", np.int64)
        received = fate == _RECEIVED
        cause = np.where(received, 0, self._column("cause", np.int64))
        commonest = probe_reasons.commonest_causes(target, cause, targets).tolist()
        closed = self._column("answer", np.int64) == _CLOSED
        open_ports = np.bincount(target[received & ~closed], minlength=targets)
        for number, result in enumerate(results):
            if result.error is not None:
                continue
            if result.received:
                if not open_ports[number]:
                    result.remarks.append(probe_reasons.closed(port))
            elif result.lost and not result.discarded:
                said = self._engine.cause(commonest[number])
                told = probe_reasons.unanswered(result.protocol, said, result.address, port)
                result.remarks += [told] if told is not None else []
            elif not result.sent:
                result.error = refused.get(str(result.address))
