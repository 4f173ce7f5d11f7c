"""Finished probes gathered into windows."""

from __future__ import annotations

import numpy as np
from hand_clock import SECOND
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.engine.accumulate import OUTCOMES, WAS_NOT_SENT, Finished, Window


def finished(stream, flow, outcome, rtt_ns) -> Finished:
    n = len(stream)
    nothing = np.full(n, np.nan)
    return Finished(
        window=np.zeros(n, np.int64), stream=np.asarray(stream, np.int32),
        flow=np.asarray(flow, np.uint16), sequence=np.arange(n), sent_wall_ns=np.zeros(n, np.int64),
        send_lag_ns=np.zeros(n, np.float32), rtt_ns=np.asarray(rtt_ns, np.float64),
        forward_ns=nothing, backward_ns=nothing, bound_ns=nothing, variation_ns=nothing,
        hops_forward=nothing.astype(np.float16), ttl=np.zeros(n, np.uint8),
        tos=np.zeros(n, np.uint8), tos_forward=np.full(n, -1, np.int16),
        tos_backward=np.full(n, -1, np.int16),
        outcome=np.asarray(outcome, np.uint8), timestamping=np.full(n, 2, np.uint8),
        answer=np.zeros(n, np.uint8), reordered=np.zeros(n, np.bool_),
        cause=np.zeros(n, np.int32),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 6), st.integers(1, 10**9)),
        min_size=1,
        max_size=60,
    )
)
def test_windows_account_for_every_probe(probes: list[tuple[int, int, int, int]]) -> None:
    stream, flow, outcome, rtt = (np.array(column) for column in zip(*probes, strict=True))
    window = Window(0, SECOND)
    window.add(finished(stream, flow, outcome, rtt))
    batch = window.close(SECOND, np.arange(100, 105, dtype=np.uint64))
    counters = {name: column.astype(int) for name, column in batch.counters.items()}
    assert (batch.known() == counters["received"] + batch.lost()).all()
    for place, stream_id in enumerate(batch.stream_id):
        mine = stream == int(stream_id) - 100
        for number, name in enumerate(OUTCOMES[:WAS_NOT_SENT]):
            assert counters[name][place] == (outcome[mine] == number).sum()
        assert batch.not_sent()[place] == (outcome[mine] == WAS_NOT_SENT).sum()
        good = rtt[mine & (outcome == 0)]
        assert batch.distributions["rtt"].totals()[place] == len(good)
        if len(good):
            assert batch.measures["rtt_max_ns"][place] == good.max()
        else:
            assert np.isnan(batch.measures["rtt_mean_ns"][place])
    sent = outcome != WAS_NOT_SENT
    assert batch.flows.sent.sum() == sent.sum()
    for place in range(batch.rows):
        for entry in range(*batch.flows.indptr[place : place + 2]):
            mine = (stream == int(batch.stream_id[place]) - 100) & (flow == batch.flows.flow[entry])
            good = rtt[mine & (outcome == 0)]
            expected = np.quantile(good, 0.5, method="inverted_cdf") if len(good) else np.nan
            np.testing.assert_equal(batch.flows.rtt_p50_ns[entry], expected)
