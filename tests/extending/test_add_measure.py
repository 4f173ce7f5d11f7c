"""A measure of a window is one declaration: everything else has a column of it from then on.

Declarations are read when the program starts, so the example runs in its own process, which
declares first and imports then.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = """
import sys
from pathlib import Path

import numpy as np
from probes import measures

measures.COUNTERS.append(measures.Counter(
    name="slow", meaning="Probes answered after more than 5 ms",
    count=lambda found: found.count(found.probes.rtt_ns > 5e6),
))
measures.VALUES.append(measures.Value(
    name="ttl_min", meaning="Least TTL of answers", low=0.0, high=255.0, merged="least",
    summarise=lambda found: found.least("ttl"),
))
measures.DISTRIBUTIONS.append(measures.Distribution(
    name="send_lag", meaning="How much later than planned probes left", column="send_lag_ns",
))

from controller.access.credential_store import CredentialStore
from controller.documents.windows import window_documents
from controller.live.archive import Archive
from controller.export.rows import COLUMNS
from controller.live.window_evidence import evidence_of
from controller.store.rollup_blocks import block_of, decode_block, encode_block
from controller.store.engines import open_store, store_url
from controller.store.records import StoredChunk, StreamRecord
from controller.store.points import points_of
from foundation.clock import SystemClock
from messages.chunk import decode_chunk, encode_windows
from probes.engine.accumulate import LOST_FORWARD, OUTCOMES, RECEIVED, Finished, Window
from dataclasses import fields

# The engine: six probes of two streams in one window, one of them lost.
count = 6
columns = {field.name: np.zeros(count) for field in fields(Finished)}
columns |= {
    "stream": np.array([0, 0, 0, 1, 1, 1], np.int32),
    "flow": np.zeros(count, np.uint16),
    "outcome": np.array([RECEIVED] * 5 + [LOST_FORWARD], np.uint8),
    "rtt_ns": np.array([4e6, 6e6, 7e6, 1e6, 1e6, np.nan]),
    "ttl": np.array([60, 58, 59, 64, 63, 0], np.uint8),
    "send_lag_ns": np.array([1e3, 2e3, 9e3, 1e3, 1e3, 1e3], np.float32),
    "reordered": np.zeros(count, np.bool_),
    "timestamping": np.full(count, 2, np.uint8),
    "cause": np.zeros(count, np.int32),
    "tos": np.zeros(count, np.uint8),
    "hops_forward": np.full(count, np.nan, np.float16),
} | {name: np.full(count, -1, np.int16) for name in ("tos_forward", "tos_backward")} | {
    name: np.full(count, np.nan)
    for name in ("forward_ns", "backward_ns", "bound_ns", "variation_ns")
}
window = Window(0, 10_000_000_000)
window.add(Finished(**columns))
batch = window.close(10_000_000_000, np.array([5, 7], np.uint64))
assert batch.counters["slow"].tolist() == [2, 0]
assert batch.measures["ttl_min"].tolist() == [58, 63]
assert batch.distributions["send_lag"].totals().tolist() == [3, 2]

# The chunk.
data = encode_windows(batch, agent="a", boot="00c0ffee", sequence=1, plan_version=1)
read = decode_chunk(data).batch
assert read.counters["slow"].tolist() == [2, 0]
assert read.measures["ttl_min"].tolist() == [58, 63]
assert read.distributions["send_lag"].totals().tolist() == [3, 2]

# What a value cannot be is refused.
from foundation.errors import LocalProtocolError
batch.measures["ttl_min"][0] = 300.0
try:
    encode_windows(batch, agent="a", boot="00c0ffee", sequence=1, plan_version=1)
except LocalProtocolError as error:
    assert "ttl_min" in error.text.en
else:
    raise AssertionError("a TTL of 300 was sent")

# The store: two windows make a minute, as bytes and back.
later = decode_chunk(data).batch
later.measures["ttl_min"][:] = (70.0, 50.0)
minute = decode_block(encode_block(block_of([read, later]), 0), 0)
assert minute.aggregate.counters["slow"].tolist() == [4, 0]
assert minute.aggregate.values["ttl_min"].tolist() == [58, 50]
points = points_of(minute.aggregate)
assert points["slow"].tolist() == [4, 0]
assert points["ttl_min"].tolist() == [58, 50]
assert np.isfinite(points["send_lag_p95_ns"]).all()

# The judge's evidence.
evidence = evidence_of(minute.aggregate, calibration_ns=np.zeros(2), floor_ns=np.zeros(2))
assert evidence.counters["slow"].tolist() == [4, 0]
assert evidence.values["ttl_min"].tolist() == [58, 50]
assert evidence.distributions["send_lag"].totals().tolist() == [6, 4]
assert evidence.take(np.array([1])).distributions["send_lag"].totals().tolist() == [4]

# The API's windows.
store = open_store(store_url(Path(sys.argv[1])))
store.windows.put_chunk(StoredChunk(
    agent="a", boot="00c0ffee", sequence=1, plan_version=1, start_ns=0, duration_ns=10**10,
    counts={"windows": 2}, received_ns=10**10, payload=data,
)).result()
streams = [
    StreamRecord(stream_id=number, agent="a", path="a.x.v4>b.x.v4", protocol="udp", type_p="udp")
    for number in (5, 7)
]
access = CredentialStore(Path(sys.argv[1]), SystemClock())
first, second = window_documents(Archive(store, access), streams, 0, 10**11, 10)[0]
store.close()
access.close()
assert (first.slow, second.slow) == (2, 0)
assert (first.ttl_min, second.ttl_min) == (58.0, 63.0)
assert 1.9e3 < first.send_lag_p50_ns < 2.1e3
assert 8.9e3 < first.send_lag_p95_ns < 9.1e3

# The export.
names = {column.name: column for column in COLUMNS}
assert names["slow_probes"].meaning == "Probes answered after more than 5 ms"
assert names["ttl_min"].kind == "number"
assert names["send_lag_p50_ns"].meaning.startswith("How much later than planned")
print("found everywhere")
"""


def test_a_measure_that_is_declared_is_found_everywhere(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-P", "-c", EXAMPLE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.stdout, found.returncode) == ("found everywhere\n", 0), found.stderr
