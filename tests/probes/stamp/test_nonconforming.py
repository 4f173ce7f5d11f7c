"""Nonconformities of replies: each kind is counted by stream, and told in both languages."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probes.stamp import nonconforming
from probes.stamp.nonconforming import (
    COSTLY,
    ECHO,
    LAYOUT,
    NONCONFORMITIES,
    SSID,
    NonconformingReplies,
    mark,
    remarks,
    summary,
)

BITS = st.integers(0, (1 << len(NONCONFORMITIES)) - 1)


@given(st.lists(st.tuples(st.integers(0, 3), BITS), max_size=40))
def test_every_oddity_of_every_reply_is_counted_once(replies: list[tuple[int, int]]) -> None:
    counts = NonconformingReplies()
    counts.begin(np.arange(4))
    half = len(replies) // 2
    for part in (replies[:half], replies[half:]):
        stream = np.array([of for of, _ in part], np.int64)
        counts.count(stream, np.array([odd for _, odd in part], np.uint16))
    for stream in range(4):
        expected = {
            kind: sum(odd >> bit & 1 for of, odd in replies if of == stream)
            for bit, kind in enumerate(NONCONFORMITIES)
        }
        assert counts.of(stream) == {kind: count for kind, count in expected.items() if count}


def test_stream_that_begins_anew_begins_without_any_and_others_keep_theirs() -> None:
    counts = NonconformingReplies()
    counts.begin(np.array([0, 2]))
    counts.count(np.array([0, 2, 2]), np.array([SSID, ECHO, ECHO]))
    counts.begin(np.array([0, 5]))
    assert (counts.of(0), counts.of(2), counts.of(5)) == ({}, {"echo": 2}, {})
    assert counts.of(99) == {}  # one that never had such replies


def test_each_kind_has_a_bit_of_its_own() -> None:
    for bit, kind in enumerate(NONCONFORMITIES):
        assert int(getattr(nonconforming, kind.upper())) == 1 << bit
    assert set(NONCONFORMITIES) >= COSTLY


def test_marks_add_up() -> None:
    odd = np.zeros(3, np.uint16)
    mark(odd, np.array([True, True, False]), SSID)
    mark(odd, np.array([False, True, False]), LAYOUT)
    mark(odd, np.array([False, True, False]), LAYOUT)
    assert odd.tolist() == [SSID, SSID | LAYOUT, 0]


def test_every_kind_is_told_in_both_languages_under_a_code_that_stays() -> None:
    told = remarks(dict.fromkeys(NONCONFORMITIES, 7))
    assert [remark.code for remark in told] == [f"odd_{kind}" for kind in NONCONFORMITIES]
    for remark in told:
        assert remark.text.en.startswith("Replies of {targets}: 7 ")
        assert remark.text.zh.startswith("{targets} 的应答：7 个")
    assert remarks({}) == []


def test_summary_names_three_reflectors_and_counts_the_others() -> None:
    assert summary({}) is None
    one = summary({"192.0.2.1": {"ssid": 2, "ttl": 1}})
    assert one is not None
    assert ": 192.0.2.1 (ssid 2, ttl 1). Round trips and loss are valid" in one.en
    many = summary({f"192.0.2.{n}": {"ssid": 1} for n in range(1, 6)})
    assert many is not None
    assert "192.0.2.3 (ssid 1) and 2 more." in many.en
    assert "192.0.2.4" not in many.en
    assert "等 5 个" in many.zh
