"""Which time source is believed, for how long, and what an unsynchronised clock may claim."""

import math

import pytest

from agent.clock_watch import STALE_AFTER_S, ClockWatch
from agent.config import ClockConfig
from foundation.errors import RemoteProtocolError
from probes.clocks.chrony import Tracking
from probes.clocks.ptp import PtpStatus

NOW_NS = 1_700_000_010_000_000_000


class _Clock:
    def __init__(self) -> None:
        self.now_ns, self.stepped_ns = 5_000_000_000, 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return NOW_NS + self.now_ns - 5_000_000_000 + self.stepped_ns


def _tracking(reference_id: int = 0xC0A80001) -> Tracking:
    return Tracking(
        reference_id=reference_id,
        stratum=2,
        leap=0,
        reference_time_ns=NOW_NS - 10_000_000_000,
        offset_s=1e-4,
        root_delay_s=4e-3,
        root_dispersion_s=1e-3,
        update_interval_s=64.0,
        skew_ppm=0.1,
    )


def _watch(
    config: ClockConfig | None = None,
    clock: _Clock | None = None,
    tracking: Tracking | None = None,
    kernel_ns: float = math.nan,
    ptp: PtpStatus | None = None,
) -> ClockWatch:
    watch = ClockWatch(
        config or ClockConfig(),
        clock or _Clock(),
        ask_chrony=lambda _: tracking,
        ask_kernel=lambda: kernel_ns,
        ask_ptp=lambda: ptp,
    )
    watch.look()
    return watch


def test_a_watch_that_has_not_looked_trusts_nothing() -> None:
    assert math.isnan(ClockWatch(ClockConfig(), _Clock()).bound_ns())


def test_the_owners_word_comes_first_and_does_not_age() -> None:
    clock = _Clock()
    watch = _watch(ClockConfig(declared_bound_us=2.5), clock, _tracking())
    clock.now_ns += 3_600_000_000_000
    assert (watch.source, watch.bound_ns()) == ("declared", 2_500.0)


def test_chronyd_is_believed_where_it_answers() -> None:
    watch = _watch(tracking=_tracking(), kernel_ns=1.0)
    assert watch.source == "chrony"
    assert watch.bound_ns() == pytest.approx(1e5 + 1e6 + 2e6)


def test_a_local_reference_gives_no_bound_even_if_the_kernel_would() -> None:
    watch = _watch(tracking=_tracking(reference_id=0x7F7F0101), kernel_ns=1.0)
    assert watch.source == "chrony"
    assert math.isnan(watch.bound_ns())


def test_a_chronyd_that_answers_nonsense_gives_no_bound() -> None:
    def nonsense(_: int) -> Tracking | None:
        raise RemoteProtocolError("x", "x")

    watch = ClockWatch(ClockConfig(), _Clock(), ask_chrony=nonsense, ask_kernel=lambda: 1.0)
    watch.look()
    assert math.isnan(watch.bound_ns())


def test_without_chronyd_the_kernel_is_asked() -> None:
    watch = _watch(kernel_ns=16_000.0)
    assert (watch.source, watch.bound_ns()) == ("adjtimex", 16_000.0)


def test_ptp_is_asked_only_where_the_owner_says_that_it_drives_the_clock() -> None:
    ptp = PtpStatus(
        grandmaster_present=True,
        port_state="SLAVE",
        clock_class=6,
        accuracy_ns=100.0,
        offset_ns=-50.0,
        mean_path_delay_ns=2_000.0,
    )
    assert _watch(kernel_ns=7.0, ptp=ptp).source == "adjtimex"
    watch = _watch(ClockConfig(ptp=True, ptp_asymmetry_us=0.4), ptp=ptp)
    assert (watch.source, watch.bound_ns()) == ("ptp", 50.0 + 100.0 + 200.0)


def test_a_silent_ptp4l_gives_no_bound() -> None:
    assert math.isnan(_watch(ClockConfig(ptp=True), kernel_ns=1.0).bound_ns())


def test_a_bound_grows_with_its_age_and_ends_when_nobody_looks() -> None:
    clock = _Clock()
    watch = _watch(clock=clock, kernel_ns=1_000.0)
    clock.now_ns += 8_000_000_000
    assert watch.bound_ns() == pytest.approx(1_000.0 + 8 * 10_000.0)
    clock.now_ns += round(STALE_AFTER_S * 1e9)
    assert math.isnan(watch.bound_ns())


def test_a_step_takes_the_bound_away_until_the_source_was_asked_again() -> None:
    clock = _Clock()
    watch = _watch(clock=clock, kernel_ns=50_000.0)
    assert watch.bound_ns() == pytest.approx(50_000.0)
    clock.stepped_ns = 30_000_000
    assert math.isnan(watch.bound_ns())
    watch.look()
    assert watch.bound_ns() == pytest.approx(50_000.0)
    assert (watch.steps, watch.stepped_by_ns) == (1, 30_000_000)


def test_the_age_of_what_the_source_said_is_told() -> None:
    clock = _Clock()
    watch = _watch(clock=clock, kernel_ns=50_000.0)
    clock.now_ns += 4_000_000_000
    assert watch.age_s() == pytest.approx(4.0)
    assert watch.steps == 0
