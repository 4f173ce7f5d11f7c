"""Windows come back whole and small, and what contradicts itself is not read."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteProtocolError
from messages.chunk import decode_chunk
from messages.frame import seal
from messages.sections.windows import MAX_CHUNK_ROWS, WINDOWS
from probes.window import WindowBatch
from tests.messages.chunk_samples import PACKED, assert_same, batches, encode, make_batch, reencode


@given(batches())
@settings(deadline=None, max_examples=80)
def test_any_batch_comes_back_as_it_was(batch: WindowBatch) -> None:
    assert_same(batch, decode_chunk(encode(batch)).batch)


def test_empty_batch_comes_back_empty() -> None:
    batch = WindowBatch.empty(0, 1)
    assert_same(batch, decode_chunk(encode(batch)).batch)


def test_full_window_costs_at_most_sixty_bytes() -> None:
    assert len(encode(make_batch(300))) / 300 <= 60


def test_windows_are_gathered_into_as_few_as_a_chunk_can_hold() -> None:
    """And a stream that was planned again within its window is in its own chunk."""
    one, other, again = make_batch(3, seed=1), make_batch(4, seed=2), make_batch(3, seed=1)
    assert [batch.rows for batch in WINDOWS.gather([one, other])] == [7]
    assert [batch.rows for batch in WINDOWS.gather([one, other, again])] == [7, 3]
    many = make_batch(MAX_CHUNK_ROWS + 1, probes=2)
    assert [batch.rows for batch in WINDOWS.gather([many])] == [MAX_CHUNK_ROWS, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"edges": 99},
        {"count": 2},
        {"count": 4},
        {"count": 1 << 40},
        {"payload": None},
        {"payload": {"edges": 1}},
        {"columns": {"surprise": [0, 1, b""]}},
        {"columns": {"received": [1, 0, b"\x01\x01\x01"]}},
        {"columns": {"sent": [0, -5, b""]}},
        {"columns": {"sent": [9, 0, b""]}},
        {"columns": {"rtt.buckets": [0, 1 << 40, b""]}},
        {"columns": {"rtt.buckets": [0, 1500, b""]}},
        {"columns": {"rtt.step": [0, -1, b""]}},
        {"columns": {"rtt.step": [0, 1 << 62, b""]}},
        {"columns": {"flows": [0, 4000, b""]}},
        {"columns": {"flow.lost": [0, 4000, b""]}},
        {"columns": {"timestamping": [0, 4, b""]}},
        {"columns": {"rtt.count": [0, (1 << 32) - 2, b""]}},
        {"columns": {"variation.count": [0, 9, b""]}},
    ],
)
def test_a_section_with_a_wrong_column_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(reencode(**changes))


def test_rows_that_expand_beyond_the_limit_are_refused() -> None:
    """Constant columns are a few bytes for any number of rows: the rows themselves are limited."""
    columns = {"sent": [0, 1, b""], "rtt.buckets": [0, 900, b""], "rtt.count": [0, 1, b""]}
    section = msgspec.msgpack.decode(PACKED)["sections"][0]
    section |= {"count": 200_000, "payload": section["payload"] | {"columns": columns}}
    with pytest.raises(RemoteProtocolError, match="expands"):
        decode_chunk(reencode(sections=[section]))


def with_payload(octets: bytes, count: int) -> bytes:
    section = {"kind": "windows", "version": 1, "count": count, "payload": msgspec.Raw(octets)}
    return seal(msgspec.msgpack.encode(msgspec.msgpack.decode(PACKED) | {"sections": [section]}))


@given(st.binary(max_size=200), st.integers(0, 9))
@settings(deadline=None)
def test_arbitrary_payloads_give_a_chunk_or_a_protocol_error(octets: bytes, count: int) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode_chunk(with_payload(octets, count))


def test_payloads_nested_without_end_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(with_payload(b"\x91" * 100_000 + b"\xc0", 0))
