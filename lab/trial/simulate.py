"""Cases become probes, windows and evidence, by the code that agents and controllers run.

Only the outcome and delay of every probe is simulated here. The sums over a window, its way as a
chunk, its merging with others and the evidence made of it are the product's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import Evidence
from controller.live.memory import RecentWindows
from controller.live.window_evidence import evidence_of
from lab.trial.case import Case
from messages.chunk import decode_chunk, encode_windows
from probes.engine.accumulate import (
    LOST_BACKWARD,
    LOST_FORWARD,
    LOST_UNKNOWN,
    RECEIVED,
    Finished,
    Window,
)
from probes.window import TIMESTAMPING, WindowBatch

WINDOW_NS = 10_000_000_000
BEGIN_NS = 1_800_000_000_000_000_000  # of the trial, wall clock; a multiple of WINDOW_NS
_KERNEL = TIMESTAMPING.index("kernel")


def probes_of(cases: Sequence[Case], seed: int, first: int = 0) -> list[Finished]:
    """Return every probe of each case; case i is the stream numbered i.

    Each case has random numbers of its own, so it does not depend on those beside it; `first` is
    the place of the first one among all.
    """
    return [
        _probes(case, i, np.random.default_rng([seed, first + i])) for i, case in enumerate(cases)
    ]


def windows_of(
    aggregates: list[Finished], begin_ns: int = BEGIN_NS, step_ns: int = WINDOW_NS
) -> list[WindowBatch]:
    """Return the probes of all cases as a controller receives them, in order of time.

    Window w begins at begin_ns + w × step_ns.
    """
    probes = Finished.join(aggregates)
    probes = probes.take(np.argsort(probes.window, kind="stable"))
    windows = int(probes.window[-1]) + 1
    edges = np.searchsorted(probes.window, np.arange(windows + 1))
    stream_ids = np.arange(len(aggregates), dtype=np.uint64)
    batches = []
    for number in np.flatnonzero(np.diff(edges)).tolist():  # in which anything was sent
        start_ns = begin_ns + number * step_ns
        window = Window(start_ns, start_ns + WINDOW_NS)
        window.add(probes.take(np.arange(edges[number], edges[number + 1])))
        batch = window.close(WINDOW_NS, stream_ids)
        batches.append(_as_received(batch, number))
    return batches


def simulate(cases: Sequence[Case], seed: int) -> list[WindowBatch]:
    """Return the windows of all cases, in order of time; case i is the stream numbered i."""
    return windows_of(probes_of(cases, seed))


def evidence_of_cases(
    cases: Sequence[Case], batches: Sequence[WindowBatch], chosen: Sequence[int] | None = None
) -> Evidence:
    """Return the evidence that the controller would hold after these batches.

    One row per case; with `chosen`, one row for each of those cases alone.
    """
    numbers = range(len(cases)) if chosen is None else chosen
    return evidence_with_starts([cases[i] for i in numbers], batches, list(numbers))[0]


def evidence_with_starts(
    cases: Sequence[Case], batches: Sequence[WindowBatch], stream_ids: Sequence[int]
) -> tuple[Evidence, NDArray[np.int64]]:
    """Return the evidence of these cases, and when each of its single windows began."""
    memory = RecentWindows(list(stream_ids), (len(batches) + 1) * WINDOW_NS)
    for batch in batches:
        memory.add(batch)
    aggregate = memory.whole(memory.merged(memory.snapshot()))
    calibration_ns = np.array([case.calibration_ns for case in cases])
    floor_ns = np.array([case.floor_ns for case in cases])
    return evidence_of(aggregate, calibration_ns, floor_ns), aggregate.windows.start_ns


def _as_received(batch: WindowBatch, number: int) -> WindowBatch:
    sent = encode_windows(batch, agent="trial", boot="00000000", sequence=number, plan_version=1)
    return decode_chunk(sent).batch


def _probes(case: Case, stream: int, rng: np.random.Generator) -> Finished:
    """Return every probe of a case with its outcome, in order of sending."""
    count = case.probes
    window = np.arange(count) * case.windows // count + case.first_window
    sent_s = (np.arange(count) + 0.5) / count * case.windows * (WINDOW_NS / 1e9)
    forward_noise = case.forward_noise.sample_ns(rng, count, case.memory)
    backward_noise = case.backward_noise.sample_ns(rng, count, case.memory)
    swing = case.swing_of(window)
    forward = case.forward_base_ns + swing * forward_noise
    backward = case.backward_base_ns + swing * backward_noise
    outcome = _outcomes(case, rng, count)
    offset, bound = _clocks(case, sent_s)
    forward = np.rint(forward + case.timestamp_error_ns[0])
    backward = np.rint(backward + case.timestamp_error_ns[1])
    offset = np.rint(offset)
    rtt = np.where(outcome == RECEIVED, forward + backward, np.nan)
    answered = outcome == RECEIVED
    return Finished(
        window=window,
        stream=np.full(count, stream, np.int32),
        flow=np.zeros(count, np.uint16),
        sequence=np.arange(1, count + 1),
        sent_wall_ns=BEGIN_NS + np.rint(sent_s * 1e9).astype(np.int64),
        send_lag_ns=np.zeros(count, np.float32),
        rtt_ns=rtt,
        forward_ns=np.where(answered, forward + offset, np.nan),
        backward_ns=np.where(answered, backward - offset, np.nan),
        bound_ns=np.where(answered, bound, np.nan),
        variation_ns=np.abs(np.diff(rtt, prepend=np.nan)),
        hops_forward=np.full(count, np.nan, np.float16),
        ttl=np.zeros(count, np.uint8),
        tos=np.zeros(count, np.uint8),
        tos_forward=np.full(count, -1, np.int16),
        tos_backward=np.full(count, -1, np.int16),
        outcome=outcome,
        timestamping=np.where(answered, _KERNEL, 0).astype(np.uint8),
        answer=np.zeros(count, np.uint8),
        reordered=np.zeros(count, np.bool_),
        cause=np.zeros(count, np.int32),
    )


def _outcomes(case: Case, rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    lost_there = case.loss_forward.sample(rng, count)
    lost_back = case.loss_backward.sample(rng, count)
    outcome = np.where(lost_there, LOST_FORWARD, np.where(lost_back, LOST_BACKWARD, RECEIVED))
    # Without the reflector's own count, or without any answer, nobody knows where they were lost.
    if not case.directed or (outcome != RECEIVED).all():
        outcome = np.where(outcome == RECEIVED, RECEIVED, LOST_UNKNOWN)
    return outcome.astype(np.uint8)


def _clocks(
    case: Case, sent_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (offset, claimed bound) of every probe, phase by phase."""
    offset, bound = np.empty_like(sent_s), np.empty_like(sent_s)
    for aggregate, clocks in zip(
        np.array_split(np.arange(len(sent_s)), len(case.clocks)), case.clocks, strict=True
    ):
        if len(aggregate):
            offset[aggregate], bound[aggregate] = clocks.at(
                sent_s[aggregate] - sent_s[aggregate[0]]
            )
    return offset, bound
