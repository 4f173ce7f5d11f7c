"""One run of an engine on real packets, all that it told, and that every probe had one outcome."""

from __future__ import annotations

import numpy as np
from patience import finish

from probes.engine.engine import Engine, SampleBatch
from probes.stream import StreamSpec, TypeP
from probes.window import WindowBatch

WINDOW_NS = 100_000_000
HMAC = {"mode": "authenticated"}


def spec(protocol: str, destination: str = "127.0.0.1", **more: object) -> StreamSpec:
    kind = {
        name: more.pop(name) for name in ("port", "payload_bytes", "dscp", "mode") if name in more
    }
    type_p = TypeP(protocol=protocol, ip_version=6 if ":" in destination else 4, **kind)
    settings = {"stream_id": 1, "interval_ms": 2.0, "timeout_ms": 30_000.0} | more
    return StreamSpec(destination=destination, type_p=type_p, **settings)


class Run:
    """One engine run to its end, and all that it told."""

    def __init__(self, *specs: StreamSpec, probes: int | None = 50, **more: object) -> None:
        self.windows: list[WindowBatch] = []
        self.samples: list[SampleBatch] = []
        self.engine = Engine(
            specs,
            window_ns=WINDOW_NS,
            on_windows=self.windows.append,
            on_samples=self.samples.append,
            probes_per_stream=probes,
            **more,
        )

    def finish(self, *, answered: int | None = None) -> Run:
        self.engine.start()
        finish(self.engine, answered=answered)
        return self

    def total(self, name: str, stream_id: int | None = None) -> int:
        total = 0
        for batch in self.windows:
            chosen = slice(None) if stream_id is None else batch.stream_id == stream_id
            column = batch.not_sent() if name == "not_sent" else batch.counters[name]
            total += int(column[chosen].sum())
        return total

    def column(self, name: str) -> np.ndarray:
        return np.concatenate([getattr(batch, name) for batch in self.samples])


def assert_every_probe_has_one_outcome(run: Run) -> None:
    for batch in run.windows:
        parts = ("received", "late", "lost_forward", "lost_backward", "lost_unknown", "unread")
        total = sum(batch.counters[name].astype(np.int64) for name in parts)
        assert (batch.counters["sent"] == total).all()
        sent = np.bincount(
            np.repeat(np.arange(batch.rows), np.diff(batch.flows.indptr)),
            batch.flows.sent,
            batch.rows,
        )
        assert (sent == batch.counters["sent"]).all()
