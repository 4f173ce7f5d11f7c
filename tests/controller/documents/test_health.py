"""The controller itself: ready or why not, and every fault of it in both languages."""

from dataclasses import replace

from controller.api.services import Services
from controller.documents.health import MOST, health_document, reasons_not_ready
from controller.live.snapshot import Operation, Snapshot
from foundation.text import Text
from tests.controller.documents.conftest import WINDOWS


async def test_a_controller_that_judges_and_can_write_is_ready(
    now: Snapshot, services: Services
) -> None:
    assert reasons_not_ready(now, services.readings.archive.state()) == []


async def test_every_reason_why_it_is_not_ready_is_named_once(
    now: Snapshot, services: Services
) -> None:
    full = replace(services.readings.archive.state(), state="full")
    failing = {"judging/verdicts": "boom", "judging/events": "boom", "keys/look": "bang"}
    then = replace(now, operation=Operation(stalled=("reports",), failing=failing))
    assert reasons_not_ready(then, full) == [
        "store_full",
        "reports_late",
        "judging_failing",
        "keys_failing",
    ]


async def test_what_was_not_judged_yet_is_not_late_as_well(
    now: Snapshot, services: Services
) -> None:
    store, fresh = services.readings.archive.state(), replace(now.round, judged_ns=None)
    waiting = replace(now, round=fresh)
    assert reasons_not_ready(waiting, store) == ["not_judged_yet"]
    stuck = replace(waiting, operation=Operation(stalled=("judging",)))
    assert reasons_not_ready(stuck, store) == ["judging_late"]


async def test_health_counts_what_came_and_adds_up_who_was_refused(
    now: Snapshot, services: Services
) -> None:
    operation = replace(
        now.operation, refused={"malformed_chunk": 2}, refused_callers={"forbidden": 1}
    )
    found = health_document(replace(now, operation=operation), services.readings.archive.state())
    assert (found.ingest.chunks, found.ingest.windows) == (WINDOWS, 3 * WINDOWS)
    assert found.ingest.refused == {"malformed_chunk": 2, "forbidden": 1}
    assert (found.agents["ok"], found.agents["never_seen"], found.agents["late"]) == (1, 1, 0)
    assert (found.demands, found.stale, found.judged_age_ms) == (len(now.scope.demands), 0, 0)


async def test_warnings_tell_what_is_skipped_and_what_stands_still_in_both_languages(
    now: Snapshot, services: Services
) -> None:
    store = services.readings.archive.state()
    failing = {f"judging/{i:03}": "boom" for i in range(MOST + 5)}
    fault = Text("The baseline is damaged.", "基线已损坏。")
    then = replace(
        now, baseline_fault=fault, operation=Operation(stalled=("keys",), failing=failing)
    )
    more = health_document(then, store).warnings[len(health_document(now, store).warnings) :]
    assert more[0] == fault
    assert (more[1].en, more[1].zh) == (
        "keys: no round has ended for too long.",
        "keys：长时间没有完成一轮。",
    )
    assert len(more) == 2 + MOST
    assert "judging/000" in more[2].zh
