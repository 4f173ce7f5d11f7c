"""The fleet and each path as Prometheus metrics, in base units, with a stated cap of series.

Counts since the controller started are counters; all else is a gauge of the last round. What is
unknown has no sample. Beyond `metrics_paths` paths (in the order of the plan, so that the same ones
stay) nothing is exposed path by path, and `isochrone_metrics_paths_omitted` says how many.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder

from controller.api.network_metrics import fleet_metrics, path_metrics, target_metrics
from controller.api.server.connections import KINDS, WORDS
from controller.live.live_verdicts import Round
from controller.live.snapshot import Operation, Snapshot
from controller.settings import VERSION
from controller.store.interface import StoreState
from messages.sections.windows import WINDOWS


def exposition(now: Snapshot, store: StoreState, accept: str, most_paths: int) -> tuple[bytes, str]:
    """Return the metrics and their content type, in the format that `accept` asks for. Blocks.

    At most `most_paths` paths have their own metrics.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        encode, content_type = choose_encoder("")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(now, store, most_paths))
    return encode(registry), content_type


class _Collector:
    """One scrape of a snapshot."""

    def __init__(self, now: Snapshot, store: StoreState, most_paths: int) -> None:
        self._now, self._store, self._most_paths = now, store, most_paths

    def collect(self) -> Iterator[Metric]:
        """Yield every family of metrics."""
        now, states = self._now, self._now.states()
        yield from _controller(now.operation, now.started_ns, now.round, self._store)
        yield from fleet_metrics(now, states)
        yield from target_metrics(now)
        paths = now.scope.catalogue.paths[: self._most_paths]
        omitted = GaugeMetricFamily(
            "isochrone_metrics_paths_omitted", "Paths beyond the cap, without metrics of their own."
        )
        omitted.add_metric((), len(now.scope.catalogue.paths) - len(paths))
        yield omitted
        yield from path_metrics(now, states, len(paths))


def _controller(
    operation: Operation, started_ns: int, latest: Round, store: StoreState
) -> Iterator[Metric]:
    build = InfoMetricFamily("isochrone_build", "The controller that answers.")
    build.add_metric((), {"version": VERSION})
    yield build
    for name, help_text, count in (
        ("ingest_chunks", "Chunks that were stored.", operation.chunks),
        ("ingest_windows", "Windows that were stored.", operation.results.get(WINDOWS.name, 0)),
        ("ingest_duplicates", "Chunks that were there already.", operation.duplicates),
        ("ingest_bytes", "Bytes of stored chunks.", operation.bytes),
        (
            "api_limited_requests",
            "Requests that were refused as too many.",
            operation.limited_requests,
        ),
        ("events_listeners_cut_off", "Listeners that did not read.", operation.listeners_cut_off),
        ("judge_rounds", "Rounds of judging.", latest.revision),
    ):
        counter = CounterMetricFamily(f"isochrone_{name}", help_text)
        counter.add_metric((), count)
        yield counter
    results = CounterMetricFamily(
        "isochrone_ingest_results", "Results that were stored, by kind.", labels=("kind",)
    )
    for kind, count in sorted(operation.results.items()):
        results.add_metric((kind,), count)
    yield results
    refused = CounterMetricFamily(
        "isochrone_ingest_refused", "Chunks that were refused, by reason.", labels=("reason",)
    )
    for reason, count in sorted(operation.refused.items()):
        refused.add_metric((reason,), count)
    yield refused
    skipped = CounterMetricFamily(
        "isochrone_loop_skipped",
        "Parts of rounds that raised and were skipped, by loop.",
        labels=("loop",),
    )
    age = GaugeMetricFamily(
        "isochrone_loop_age_seconds",
        "How long ago the last round of a loop in the background ended.",
        labels=("loop",),
    )
    for loop, age_s in operation.loop_ages_s.items():
        skipped.add_metric((loop,), operation.skipped.get(loop, 0))
        age.add_metric((loop,), age_s)
    yield from (skipped, age)
    yield from _connections(operation)
    judged_ns = latest.judged_ns
    for name, help_text, value in (
        ("start_timestamp_seconds", "When the controller started.", started_ns * 1e-9),
        ("judged_timestamp_seconds", "When it judged.", judged_ns and judged_ns * 1e-9),
        ("events_listeners", "Listeners of the event stream.", operation.listeners),
        ("store_ok", "Whether the store can be written.", float(store.state == "ok")),
        ("store_queued_writes", "Writes that wait.", store.queued_writes),
        ("store_size_bytes", "Size of the database.", store.size_bytes),
        ("store_free_bytes", "Free space of its disk.", store.free_bytes),
    ):
        yield _gauge(name, help_text, value)


def _connections(operation: Operation) -> Iterator[Metric]:
    held = GaugeMetricFamily(
        "isochrone_connections", "Connections over TCP, by whose they are.", labels=("kind",)
    )
    for kind in KINDS:
        held.add_metric((kind,), operation.connections.get(kind, 0))
    cut = CounterMetricFamily(
        "isochrone_connections_cut",
        "Connections over TCP that were cut or refused, by reason.",
        labels=("reason",),
    )
    for reason in WORDS:
        cut.add_metric((reason,), operation.connections_cut.get(reason, 0))
    yield from (held, cut)


def _gauge(name: str, help_text: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(f"isochrone_{name}", help_text)
    if value is not None:
        family.add_metric((), value)
    return family
