"""One probe run: streams for the targets, the engine over them, their figures at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from agent.probe import aggregation
from agent.probe.aggregation import ProbeOutcomes
from agent.probe.host_tables import HostTables
from agent.probe.result import TargetResult
from agent.probe.targets import ResolvedTarget
from probes.clocks.kernel import kernel_clock_bound_ns
from probes.engine.accumulate import OUTCOMES
from probes.engine.engine import Engine
from probes.engine.report import SampleBatch
from probes.remark import Remark
from probes.stamp import nonconforming
from probes.stream import ProtocolName, StreamSpec, TypeP
from probes.window import WindowBatch

WINDOW_NS = 1_000_000_000
_RECEIVED = OUTCOMES.index("received")
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


class ProbeRun:
    """Probes all targets that have an address."""

    def __init__(self, targets: Sequence[ResolvedTarget], options: ProbeOptions) -> None:
        self.targets = targets
        self.options = options
        self._samples: list[SampleBatch] = []
        self._windows: list[WindowBatch] = []
        self._lock = threading.Lock()
        self._tables = HostTables.read()
        self._complete = False  # nothing is due any more
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
            self._engine.stop()
        except KeyboardInterrupt:
            # A second Ctrl-C ends the program; the first waits for nothing that is in flight.
            complete = False
            self._engine.stop(wait_for_replies=False)
        self._complete = complete
        on_progress(self)
        return complete

    def results(self) -> list[TargetResult]:
        """Return one result a target, in the order of the targets."""
        options, engine = self.options, self._engine
        results = [
            TargetResult(
                target=target.name,
                protocol=options.protocol,
                address=target.address,
                port=options.port,
                error=target.error,
            )
            for target in self.targets
        ]
        with self._lock:
            samples, windows = tuple(self._samples), tuple(self._windows)
        outcomes, health = ProbeOutcomes(samples), engine.health()
        marks = {spec.stream_id: marks for spec, marks in engine.flow_marks().items()}
        late = {spec.stream_id: count for spec, count in engine.late_intervals().items()}
        tables = HostTables.read().since(self._tables)
        planned = options.count if self._complete else 0
        aggregation.count(results, outcomes)
        aggregation.count_flows(results, outcomes, marks, options.flows)
        aggregation.add_windows(results, windows)
        for spec, counts in engine.in_flight().items():
            aggregation.add_in_flight(results[spec.stream_id], counts)
        aggregation.account(results, outcomes, planned=planned, dscp=options.dscp, tables=tables)
        aggregation.check_pace(
            results, late, interval_ms=options.interval_ms, late_moments=health.late_moments
        )
        reasons = {
            spec.destination: Remark("stream_refused", why) for spec, why in health.refused.items()
        }
        aggregation.explain(results, outcomes, engine, reasons)
        for spec, odd in engine.nonconforming_replies().items():
            results[spec.stream_id].nonconforming_replies = odd
            results[spec.stream_id].remarks += nonconforming.remarks(odd)
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
            self.received_probes += int((batch.outcome == _RECEIVED).sum())

    def _take_windows(self, batch: WindowBatch) -> None:
        with self._lock:
            self._windows.append(batch)
