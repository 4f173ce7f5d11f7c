"""The emulator on real packets: what was asked is what is applied, logged and seen."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable

import numpy as np
import pytest

from lab.fleet.packet_log import COPY, LOST, REORDERED, UNROUTED, read_log
from lab.fleet.truth import emulator_error, pair_probes

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        shutil.which("ping") is None, reason="needs ping: apt-get install iputils-ping"
    ),
]

MS = 1_000_000


@pytest.mark.parametrize("target", ["10.0.0.2", "2001:db8::2"])
def test_the_delay_asked_is_the_delay_applied_and_seen(
    run_in_wan: Callable[..., str], tmp_path: pathlib.Path, target: str
) -> None:
    said = run_in_wan(["ping", "-i", "0.01", "-c", "100", "-q", target], delay_ns=5 * MS, hops=3)
    assert "100 packets transmitted" in said  # it waits two round trips for the last answer alone
    log = read_log(tmp_path / "log")
    error = emulator_error(log)
    assert error.packets == 200
    assert 0 < error.p50_ns < 5 * MS
    assert (log["timestamped"] == 1).all()
    probes = pair_probes(log, [])
    assert len(probes) == 100
    assert np.nanmin(probes.rtt_ns) >= 10 * MS
    seen_ms = float(said.rsplit("= ", 1)[1].split("/")[0])  # the smallest round trip ping saw
    assert seen_ms * MS == pytest.approx(np.nanmin(probes.rtt_ns), abs=1 * MS)


def test_losses_and_copies_are_logged_exactly(
    run_in_wan: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    said = run_in_wan(
        ["ping", "-i", "0.002", "-c", "500", "-W", "1", "-q", "10.0.0.2"],
        delay_ns=1 * MS,
        loss_ratio=0.1,
        duplicate_ratio=0.1,
    )
    log = read_log(tmp_path / "log")
    lost = (log["outcome"] & LOST) != 0
    copies = (log["outcome"] & COPY) != 0
    assert (log["left_ns"][lost] == 0).all()
    assert (log["left_ns"][~lost] > 0).all()
    originals = int((~copies).sum())
    assert 0.05 < lost.sum() / originals < 0.17
    assert 0.05 < copies.sum() / originals < 0.15
    probes = pair_probes(log, [])
    answered = int(np.isfinite(probes.rtt_ns).sum())
    assert f" {answered} received" in said


def test_reordered_packets_are_held_back(
    run_in_wan: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    run_in_wan(
        ["ping", "-i", "0.01", "-c", "100", "-q", "10.0.0.2"],
        delay_ns=1 * MS,
        reorder_ratio=0.3,
        reorder_ns=20 * MS,
    )
    log = read_log(tmp_path / "log")
    held = (log["outcome"] & REORDERED) != 0
    assert 20 < held.sum() < 110
    applied = log["left_ns"] - log["received_ns"]
    assert (applied[held] >= 21 * MS).all()
    assert np.median(applied[~held]) < 20 * MS


def test_a_path_that_does_not_exist_carries_nothing(
    run_in_wan: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    said = run_in_wan(["ping", "-i", "0.1", "-c", "3", "-W", "1", "-q", "10.0.0.2"])
    assert "0 received" in said
    log = read_log(tmp_path / "log")
    assert len(log) == 3
    assert ((log["outcome"] & UNROUTED) != 0).all()
