"""Full windows for the store's benchmarks: ten probes each, all four histograms, one flow."""

from __future__ import annotations

import msgspec
import numpy as np

from messages.chunk import encode_windows
from messages.exchange import MAX_CHUNK_EXPANDED_BYTES
from messages.frame import sealer, unseal
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, MEASURES, TIMESTAMPING, FlowColumns, WindowBatch

WINDOW_NS = 10_000_000_000
PROBES = 10
# One for all templates, and one thread: each keeps half a megabyte of memory for itself.
_SEAL = sealer()


def full_windows(
    stream_id: np.ndarray,
    start_ns: int,
    rng: np.random.Generator,
    base_ns: np.ndarray | None = None,
) -> WindowBatch:
    """Return one window per stream: gamma-distributed delays, one probe in a thousand lost.

    `base_ns` is the least one-way delay of each stream, drawn if it is not given.
    """
    rows = len(stream_id)
    sent = np.full(rows, PROBES, np.uint32)
    lost = rng.binomial(PROBES, 0.001, rows).astype(np.uint32)
    received = (sent - lost).astype(np.int64)
    row = np.repeat(np.arange(rows), received)
    if base_ns is None:
        base_ns = rng.uniform(500_000, 15_000_000, rows)
    base = base_ns[row]
    forward = np.rint(base + rng.gamma(2.0, 20_000, len(row)))
    backward = np.rint(base + rng.gamma(2.0, 20_000, len(row)))
    samples = {"rtt": forward + backward, "forward": forward, "backward": backward}
    samples["variation"] = np.abs(np.diff(samples["rtt"], prepend=samples["rtt"][:1]))
    measures = {name: np.full(rows, np.nan) for name in MEASURES}
    begins = np.concatenate([[0], np.cumsum(received)[:-1]])
    for name in ("rtt", "forward", "backward"):
        measures[f"{name}_min_ns"] = np.minimum.reduceat(samples[name], begins)
        measures[f"{name}_max_ns"] = np.maximum.reduceat(samples[name], begins)
        measures[f"{name}_mean_ns"] = np.add.reduceat(samples[name], begins) / received
    measures["clock_bound_ns"] = rng.uniform(20_000, 60_000, rows)
    measures["send_lag_mean_ns"] = rng.gamma(2.0, 3_000, rows)
    measures["send_lag_max_ns"] = measures["send_lag_mean_ns"] * 3
    counters = {name: np.zeros(rows, np.uint32) for name in COUNTERS}
    counters |= {"sent": sent, "received": received.astype(np.uint32), "lost_unknown": lost}
    return WindowBatch(
        start_ns=start_ns,
        duration_ns=WINDOW_NS,
        stream_id=stream_id,
        counters=counters,
        measures=measures,
        distributions={
            name: Histograms.from_samples(row, samples[name], rows) for name in DISTRIBUTIONS
        },
        timestamping=np.full(rows, TIMESTAMPING.index("kernel"), np.uint8),
        suspect=np.zeros(rows, np.bool_),
        flows=FlowColumns(
            indptr=np.arange(rows + 1),
            flow=np.zeros(rows, np.uint16),
            sent=sent,
            lost=lost,
            rtt_p50_ns=np.rint(measures["rtt_mean_ns"]),
        ),
    )


class Template:
    """An encoded chunk that is sent again and again with another sequence and time.

    Rebuilt for every use (packed and compressed as an agent does), but not measured again.
    """

    def __init__(self, agent: str, boot: str, batch: WindowBatch) -> None:
        self.agent, self.rows = agent, batch.rows
        data = encode_windows(batch, agent=agent, boot=boot, sequence=0, plan_version=1)
        self._wire = msgspec.msgpack.decode(unseal(data, MAX_CHUNK_EXPANDED_BYTES))

    def chunk(self, sequence: int, start_ns: int) -> bytes:
        self._wire["sequence"], self._wire["start_ns"] = sequence, start_ns
        return _SEAL(msgspec.msgpack.encode(self._wire))
