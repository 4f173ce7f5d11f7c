"""Chunks come back whole and, from hostile bytes, not at all."""

import contextlib
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteProtocolError
from messages.chunk import decode_chunk, encode_chunk
from messages.columns import OtherVersionError
from messages.exchange import MAX_CHUNK_BYTES, MAX_CHUNK_EXPANDED_BYTES
from messages.frame import seal
from messages.sections.kind import Span
from tests.messages.chunk_samples import BOOT, PACKED, assert_same, encode, make_batch, reencode


@pytest.mark.parametrize(("rows", "flows"), [(1, 1), (60, 1), (300, 4), (5_000, 1)])
def test_chunk_comes_back_as_it_was(rows: int, flows: int) -> None:
    batch = make_batch(rows, flows=flows)
    chunk = decode_chunk(encode(batch))
    assert (chunk.agent, chunk.boot, chunk.sequence, chunk.plan_version) == (
        "nanjing-1",
        BOOT,
        7,
        3,
    )
    assert_same(batch, chunk.batch)


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_arbitrary_bytes_give_a_protocol_error_and_nothing_else(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(data)


@given(st.data())
@settings(deadline=None, max_examples=400)
def test_damaged_contents_give_a_chunk_or_a_protocol_error(data: st.DataObject) -> None:
    packed = bytearray(PACKED)
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 3))
    with contextlib.suppress(RemoteProtocolError):
        decode_chunk(seal(bytes(packed[: len(packed) - cut])))


def test_truncated_chunk_is_refused() -> None:
    data = encode(make_batch(20))
    for size in range(0, len(data), 37):
        with pytest.raises(RemoteProtocolError):
            decode_chunk(data[:size])


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(encode(make_batch(2)) + b"x")


def test_oversized_chunk_is_refused_before_it_is_read() -> None:
    with pytest.raises(RemoteProtocolError, match="larger"):
        decode_chunk(bytes(MAX_CHUNK_BYTES + 1))


def test_decompression_bomb_is_refused_before_it_expands() -> None:
    bomb = seal(bytes(MAX_CHUNK_EXPANDED_BYTES + 1))
    with pytest.raises(RemoteProtocolError, match="expands"):
        decode_chunk(bomb)


def test_frame_of_undeclared_size_is_refused() -> None:
    stream = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(
        PACKED
    )
    with pytest.raises(RemoteProtocolError):
        decode_chunk(stream)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 99},
        {"agent": "../etc"},
        {"boot": "zz"},
        {"sequence": -1},
        {"surprise": 1},
        {"sections": [1]},
        {"start_ns": (1 << 63) - 1},
        {"duration_ns": 0},
    ],
)
def test_chunk_with_a_wrong_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_chunk(reencode(**changes))


def test_a_flipped_bit_never_gives_other_figures() -> None:
    data = encode(make_batch(20))
    whole = decode_chunk(data).batch
    for place in range(0, 8 * len(data), 5):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with contextlib.suppress(RemoteProtocolError):
            assert_same(whole, decode_chunk(bytes(damaged)).batch)


def test_a_chunk_of_another_layout_is_of_another_version() -> None:
    later = seal(msgspec.msgpack.encode({"schema": 99, "all": "else"}))
    with pytest.raises(OtherVersionError, match="99"):
        decode_chunk(later)


def test_a_chunk_without_sections_says_nothing() -> None:
    data = encode_chunk({}, Span(7, 1), agent="a", boot=BOOT, sequence=1, plan_version=0)
    chunk = decode_chunk(data)
    assert (chunk.counts, chunk.batch.rows, chunk.span) == ({}, 0, Span(7, 1))
