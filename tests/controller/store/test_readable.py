"""What is damaged is left out and named in the log; the rest is read."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.store.readable import block_in, readable_chunks, sound, windows_in
from controller.store.records import StoredChunk
from controller.store.rollup_blocks import block_of, encode_block
from foundation.errors import RemoteProtocolError
from probes.window import WindowBatch
from tests.controller.store.stored_chunks import chunk_of_batch

Make = Callable[..., WindowBatch]
Encode = Callable[..., bytes]


@pytest.fixture
def chunk(batch_of: Make, chunk_of: Encode) -> StoredChunk:
    batch = batch_of([5], 0)
    return chunk_of_batch(batch, chunk_of(batch, agent="nanjing", sequence=7), sequence=7)


def test_damaged_chunks_are_left_out_by_name_and_the_others_read(
    chunk: StoredChunk, caplog: pytest.LogCaptureFixture
) -> None:
    spoilt = replace(chunk, sequence=8, payload=chunk.payload[:-3])
    found = list(readable_chunks([spoilt, chunk]))
    assert [one for one, _ in found] == [chunk]
    assert found[0][1].stream_id.tolist() == [5]
    assert "the chunk 8 of nanjing (boot b0) is damaged" in caplog.text
    assert "isochrone controller check" in caplog.text


def test_chunk_of_no_windows_is_read_and_not_damaged(
    chunk: StoredChunk, batch_of: Make, chunk_of: Encode, caplog: pytest.LogCaptureFixture
) -> None:
    empty = replace(chunk, payload=chunk_of(batch_of([], 0), agent="nanjing", sequence=7))
    assert [batch.rows for _, batch in readable_chunks([empty])] == [0]
    assert caplog.text == ""


def test_windows_and_blocks_that_cannot_be_read_are_none(
    chunk: StoredChunk, batch_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    whole = windows_in(chunk.payload, "a chunk")
    assert whole is not None
    assert whole.stream_id.tolist() == [5]
    payload = encode_block(block_of([batch_of([5], 0)]), 0)
    block = block_in(payload, 0, "nanjing")
    assert block is not None
    assert block.stream_id.tolist() == [5]
    assert windows_in(b"", "a chunk") is None
    assert block_in(payload[:-1], 60, "nanjing") is None
    assert "the rollup of nanjing from 60 on is damaged" in caplog.text


def test_only_damage_is_passed_over() -> None:
    def damaged() -> int:
        raise RemoteProtocolError("x", "x")

    def wrong() -> int:
        raise KeyError("a bug")

    assert sound("it", damaged) is None
    assert sound("it", lambda: 0) == 0
    with pytest.raises(KeyError):
        sound("it", wrong)
