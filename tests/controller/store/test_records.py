"""What a record says of itself beyond its columns."""

import pytest

from controller.store.records import CampaignRecord, CampaignState, StoredChunk


@pytest.mark.parametrize(
    ("done", "state", "over"),
    [
        ({}, "scheduled", False),
        ({"begun_ns": 11}, "running", False),
        ({"begun_ns": 11, "ended_ns": 20}, "ended", True),
        ({"begun_ns": 11, "ended_ns": 15, "ended_by": "me"}, "cancelled", True),
        ({"ended_ns": 5, "ended_by": "me"}, "cancelled", True),  # before it began
    ],
)
def test_a_campaign_is_where_what_was_done_puts_it(
    done: dict[str, object], state: CampaignState, over: bool
) -> None:
    known = {"name": "a", "request": b"{}", "from_ns": 10, "to_ns": 20, "created_ns": 5}
    record = CampaignRecord(**known, created_by="me", streams=3, **done)  # type: ignore[arg-type]  # a test's shorthand
    assert (record.state, record.is_over) == (state, over)


@pytest.mark.parametrize(
    ("counts", "windows", "empty"),
    [({}, 0, True), ({"windows": 0}, 0, True), ({"windows": 3}, 3, False), ({"x": 1}, 0, False)],
)
def test_a_chunk_is_empty_only_without_results_of_any_kind(
    counts: dict[str, int], windows: int, empty: bool
) -> None:
    chunk = StoredChunk(
        agent="a",
        boot="b",
        sequence=0,
        plan_version=1,
        start_ns=100,
        duration_ns=10,
        counts=counts,
        received_ns=5,
        payload=b"",
    )
    assert (chunk.windows, chunk.is_empty, chunk.end_ns) == (windows, empty, 110)
