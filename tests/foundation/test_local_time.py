"""Moments as people read and write them: in their zone, with its offset, of one meaning."""

import datetime as dt
import time
from collections.abc import Callable, Iterator

import pytest

from foundation.errors import UsageError
from foundation.local_time import ambiguous, duration_ns_of, local_text, moment_ns, past_range

EIGHT_NS = 1_793_491_200_000_000_000  # 2026-11-01T00:00Z
HOUR_NS = 3_600_000_000_000


@pytest.fixture
def system_zone() -> Iterator[Callable[[str], None]]:
    with pytest.MonkeyPatch.context() as patch:

        def be(name: str) -> None:
            patch.setenv("TZ", name)
            time.tzset()

        yield be
    time.tzset()


def test_a_moment_is_said_in_the_zone_of_the_system(system_zone: Callable[[str], None]) -> None:
    system_zone("CST-8")
    assert local_text(EIGHT_NS) == "2026-11-01T08:00:00+08:00"


def test_the_zone_that_was_chosen_goes_before_that_of_the_system(
    system_zone: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system_zone("CST-8")
    monkeypatch.setenv("ISOCHRONE_TIME_ZONE", "America/New_York")
    assert local_text(EIGHT_NS, "minutes") == "2026-10-31T20:00-04:00"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (None, "2026-11-01T08:00+08:00"),
        (None, "2026-11-01T00:00Z"),
        ("Asia/Shanghai", "2026-11-01T08:00"),
        ("UTC", "2026-11-01"),
        ("Asia/Shanghai", "2026-11-01T00:00+00:00"),
    ],
)
def test_a_moment_has_one_meaning(
    monkeypatch: pytest.MonkeyPatch, zone: str | None, text: str
) -> None:
    if zone is not None:
        monkeypatch.setenv("ISOCHRONE_TIME_ZONE", zone)
    assert moment_ns(text) == EIGHT_NS


def test_a_zone_that_somebody_set_for_the_system_is_meant(
    system_zone: Callable[[str], None],
) -> None:
    system_zone("CST-8")
    assert moment_ns("2026-11-01T08:00") == EIGHT_NS


def test_a_moment_that_may_mean_two_is_refused_with_both(
    system_zone: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system_zone("CST-8")
    monkeypatch.delenv("TZ")  # as where /etc/localtime says it: libc keeps what it has read
    with pytest.raises(UsageError) as refused:
        moment_ns("2026-11-01T08:00")
    for said in refused.value.text.en, refused.value.text.zh:
        assert "2026-11-01T08:00:00+08:00" in said
        assert "2026-11-01T08:00:00+00:00" in said
        assert "--time-zone" in said


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "24h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        moment_ns(text)


def test_a_zone_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Asia/Atlantis", "../../etc/passwd", "+08:00"):
        monkeypatch.setenv("ISOCHRONE_TIME_ZONE", name)
        with pytest.raises(UsageError, match="not a time zone"):
            local_text(EIGHT_NS)


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("24h", 24), ("7d", 168), ("2w", 336), ("3600s", 1)]
)
def test_a_stretch_of_time_has_a_unit(text: str, hours: float) -> None:
    assert duration_ns_of(text) == hours * HOUR_NS


@pytest.mark.parametrize("text", ["24", "h", "-1h", "0h", "1.5h", "24 hours", "9999999d", "１h"])
def test_what_is_no_stretch_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        duration_ns_of(text)


def test_the_last_hours_end_now_or_when_it_is_said() -> None:
    assert past_range(None, None, "24h", 100 * HOUR_NS) == (76 * HOUR_NS, 100 * HOUR_NS)
    assert past_range(None, "2026-11-01T00:00Z", "1h", 0) == (EIGHT_NS - HOUR_NS, EIGHT_NS)
    assert past_range("2026-11-01T00:00Z", None, None, EIGHT_NS + 5) == (EIGHT_NS, EIGHT_NS + 5)


@pytest.mark.parametrize(
    ("start", "end", "last"),
    [
        (None, None, None),
        (None, "2026-11-01T00:00Z", None),
        ("2026-11-01T00:00Z", None, "1h"),
        ("2026-11-01T00:00Z", "2026-10-01T00:00Z", None),
    ],
)
def test_a_range_that_is_none_is_refused(
    start: str | None, end: str | None, last: str | None
) -> None:
    with pytest.raises(UsageError):
        past_range(start, end, last, EIGHT_NS)


def test_a_machine_on_utc_is_not_said_to_have_two_readings_that_are_one(
    system_zone: Callable[[str], None],
) -> None:
    system_zone("UTC")
    told = ambiguous(dt.datetime(2026, 11, 1, 8))  # noqa: DTZ001 - without a zone is what is tried
    assert "this machine runs on UTC: write 2026-11-01T08:00:00+00:00" in told.en
    assert "local time here" not in told.en
