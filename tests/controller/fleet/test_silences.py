"""Which streams a silence is of, and what of a time is silent."""

import ipaddress
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.fleet.silences import UNCONFIRMED, Silences, StreamIndex
from controller.store.records import SilenceRecord
from messages.exchange import Unanswered
from topology.model import Interface, Path, PlannedStream, TypeP

SECOND = 1_000_000_000
TYPE_P = TypeP(protocol="udp", ip_version=4, payload_bytes=64, dscp=0, port=8620)
FAR_END = Interface(id="far.x.v4", site="far", carrier="x", address="192.0.2.2")


def stream(number: int, sender: str) -> PlannedStream:
    near = Interface(id=f"near{number}.x.v4", site=f"near{number}", carrier="x", address=sender)
    return PlannedStream(
        stream_id=number,
        path=Path(source=near, destination=FAR_END),
        type_p=TYPE_P,
        interval_ms=100.0,
        flows=1,
        timeout_ms=1000.0,
    )


def silent_towards(*senders: str, **more: Any) -> Unanswered:
    told = {"address": "192.0.2.2", "port": 8620} | more
    return Unanswered(rule="policy.destinations", from_ns=0, senders=senders, **told)


@pytest.fixture
def index() -> StreamIndex:
    return StreamIndex(
        [stream(10, "192.0.2.1"), stream(20, "198.51.100.1"), stream(30, "2001:db8::1")]
    )


def record(mark: str, from_s: int, to_s: int | None, *ids: int, **more: Any) -> SilenceRecord:
    told: dict[str, Any] = {"agent": "far", "side": "answering", "rule": "agent.stopped"} | more
    return SilenceRecord(
        mark=mark,
        from_ns=from_s * SECOND,
        to_ns=None if to_s is None else to_s * SECOND,
        stream_ids=np.array(ids, np.uint64),
        **told,
    )


def of(index: StreamIndex, *records: SilenceRecord) -> Silences:
    return Silences({one.mark: one for one in records}, index)


def test_an_entry_speaks_of_the_streams_towards_that_reflector_alone(index: StreamIndex) -> None:
    assert index.rows_asking("far") == [0, 1, 2]
    assert index.rows_asking("near10") == []
    assert index.matching("far", silent_towards()) == [0, 1, 2]
    assert index.matching("near10", silent_towards()) == []
    assert index.matching("far", silent_towards(port=8621)) == []
    assert index.matching("far", silent_towards(address="192.0.2.3")) == []


def test_senders_are_named_by_address_or_prefix(index: StreamIndex) -> None:
    assert index.matching("far", silent_towards("198.51.100.1", "203.0.113.9")) == [1]
    assert index.matching("far", silent_towards("192.0.2.0/30")) == [0]
    assert index.matching("far", silent_towards("2001:db8::/32", "198.51.0.0/16")) == [1, 2]
    assert index.matching("far", silent_towards("1.2.3.4/33", "\x1b/8", "/")) == []


@given(st.lists(st.ip_addresses(), min_size=1, max_size=3), st.integers(0, 128), st.ip_addresses())
def test_an_address_is_within_prefixes_as_the_standard_library_has_it(
    networks: list[Any], length: int, address: Any
) -> None:
    texts = [f"{one}/{min(length, one.max_prefixlen)}" for one in networks]
    expected = any(address in ipaddress.ip_network(text, strict=False) for text in texts)
    index = StreamIndex([stream(1, str(address))])
    assert index.matching("far", silent_towards(*texts)) == ([0] if expected else [])


def test_many_prefixes_hold_up_no_round() -> None:
    index = StreamIndex([stream(i, f"11.0.{i >> 8}.{i & 255}") for i in range(2_000)])
    many = silent_towards(*(f"10.{i >> 8}.{i & 255}.0/24" for i in range(65_536)))
    begun = time.process_time()
    assert index.matching("far", many) == []
    assert time.process_time() - begun < 5  # address by address it would be minutes


def test_silences_are_found_by_the_time_they_touch(index: StreamIndex) -> None:
    silences = of(index, record("old", 10, 20, 10), record("open", 50, None, 20))
    marks = lambda a, b: [one.mark for one in silences.touching(a * SECOND, b * SECOND)]  # noqa: E731
    assert marks(0, 10) == []
    assert marks(0, 11) == ["old"]
    assert marks(20, 50) == []
    assert marks(19, 51) == ["old", "open"]
    assert marks(1 << 20, 1 << 21) == ["open"]


def test_a_stream_is_in_the_silence_that_refuses_it_and_in_no_slowing(index: StreamIndex) -> None:
    slowed = record("slow", 0, None, 20, side="sending", action="throttled", share=0.5)
    silences = of(index, slowed, record("open", 50, None, 10))
    found = silences.of_row(0, 60 * SECOND)
    assert found is not None
    assert found.mark == "open"
    assert silences.of_row(0, 49 * SECOND) is None
    assert silences.of_row(1, 60 * SECOND) is None
    assert list(silences.unanswered_at(60 * SECOND)) == [0]


def test_confirmed_silences_leave_out_and_unconfirmed_ones_only_until_an_answer(
    index: StreamIndex,
) -> None:
    silences = of(index, record("asked", 0, None, 10, rule=UNCONFIRMED), record("open", 0, 50, 20))
    sure, unsure = (
        silences.streams_during(0, SECOND),
        silences.unconfirmed_during(0, SECOND),
    )
    assert sure is not None
    assert unsure is not None
    assert (sure.tolist(), unsure.tolist()) == ([False, True, False], [True, False, False])
    assert silences.streams_during(60 * SECOND, 61 * SECOND) is None


def test_the_last_end_of_a_silence_is_known_of_each_stream(index: StreamIndex) -> None:
    silences = of(
        index, record("a", 0, 20, 10, 30), record("b", 5, 40, 10), record("c", 9, None, 20)
    )
    assert silences.ended_ns(10 * SECOND).tolist() == [40 * SECOND, 0, 20 * SECOND]
    assert silences.ended_ns(20 * SECOND).tolist() == [40 * SECOND, 0, 0]


def test_streams_are_numbered_anew_by_another_plan(index: StreamIndex) -> None:
    silences = of(index, record("a", 0, None, 20, 99))
    assert silences.rows_of(silences.records["a"]).tolist() == [1]
    other = silences.over(StreamIndex([stream(20, "198.51.100.1"), stream(99, "192.0.2.9")]))
    assert other.rows_of(other.records["a"]).tolist() == [0, 1]
