"""Windows as evidence for the judge, and as figures for people."""

import pathlib

import numpy as np
import pytest

from controller.judge.evidence import Evidence
from controller.live.window_evidence import evidence_of, figure_columns, floors_ns
from controller.store.aggregate import Aggregate, aggregate_of
from controller.store.merging import merge
from probes import measures
from probes.window import WindowBatch
from tests.controller.conftest import batch_of
from topology.mesh import plan_streams
from topology.site_file import load_network

WINDOW_NS = 10_000_000_000


def added(*batches: WindowBatch) -> Aggregate:
    rows = max(batch.rows for batch in batches)
    parts = [aggregate_of(one, np.arange(one.rows), np.arange(one.rows)) for one in batches]
    return merge(parts, rows)


def evidence(*batches: WindowBatch) -> Evidence:
    aggregate = added(*batches)
    rows = len(aggregate.row)
    return evidence_of(aggregate, calibration_ns=np.zeros(rows), floor_ns=np.zeros(rows))


def test_evidence_holds_every_measure_that_is_declared() -> None:
    found = evidence(batch_of([5], 0, sent=10, lost=2), batch_of([5], WINDOW_NS, rtt_ns=8e6))
    assert set(found.counters) == {one.name for one in measures.COUNTERS}
    assert set(found.distributions) == {one.name for one in measures.DISTRIBUTIONS}
    assert set(found.values) == {one.name for one in measures.VALUES if one.merged}
    assert (found.sent.tolist(), found.lost.tolist()) == ([20], [2])
    assert found.counters["received"].tolist() == [18]
    assert (found.least_ns["rtt"][0], found.most_ns["rtt"][0]) == (4e6, 8e6)
    assert found.mean_ns["rtt"][0] == pytest.approx((8 * 4e6 + 10 * 8e6) / 18)
    assert found.window_sent.tolist() == [10, 10]


def test_answers_that_nobody_read_are_no_evidence_of_loss() -> None:
    batch = batch_of([5], 0, sent=10, lost=2)
    batch.counters["unread"][:] = 2
    batch.counters["lost_unknown"][:] = 0
    found = evidence(batch)
    assert (found.sent.tolist(), found.lost.tolist()) == ([8], [0])


def test_rows_of_evidence_are_taken_with_their_windows() -> None:
    whole = evidence(
        batch_of([5, 6, 7], 0, lost=1), batch_of([5, 6, 7], WINDOW_NS, rtt_ns=6e6, lost=3)
    )
    some = whole.take(np.array([2, 0]))
    assert some.rows == 2
    assert some.window_indptr.tolist() == [0, 2, 4]
    assert some.window_lost.tolist() == [1, 3, 1, 3]
    assert some.distributions["rtt"].totals().tolist() == [16, 16]
    assert some.mean_ns["rtt"].tolist() == whole.mean_ns["rtt"][[2, 0]].tolist()


def test_figures_count_the_lost_as_infinite_and_leave_out_what_nobody_measured() -> None:
    mostly_lost = figure_columns(evidence(batch_of([5], 0, sent=10, lost=6, forward_ns=None)))
    assert mostly_lost["loss_ratio"].tolist() == [0.6]
    assert mostly_lost["rtt_p50_ns"].tolist() == [np.inf]
    assert np.isnan(mostly_lost["forward_p50_ns"]).all()  # no one-way delay, lost or not
    some_lost = figure_columns(evidence(batch_of([5], 0, sent=100, lost=2)))
    assert some_lost["rtt_p95_ns"].tolist() == [4e6]
    assert some_lost["forward_p95_ns"].tolist() == some_lost["backward_p50_ns"].tolist() == [2e6]
    nothing = figure_columns(evidence(batch_of([5], 0, sent=0)))
    assert np.isnan([column[0] for column in nothing.values()]).all()


def test_no_path_is_quicker_than_light_over_its_great_circle(site_file: pathlib.Path) -> None:
    network = load_network(site_file)
    streams = plan_streams(network)
    for stream, floor_ns in zip(streams, floors_ns(network, streams), strict=True):
        ends = stream.path.source.site, stream.path.destination.site
        assert floor_ns == network.distance(*ends).floor_ns > 0
