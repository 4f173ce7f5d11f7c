"""The kinds of sections that this program knows: one line each."""

from collections.abc import Iterator, Sequence

import msgspec
import pytest

from foundation.errors import LocalProtocolError, RemoteProtocolError
from messages.chunk import UnknownSectionError, decode_chunk, encode_chunk
from messages.columns import Budget, read_struct
from messages.exchange import MAX_CHUNK_EXPANDED_BYTES
from messages.frame import unseal
from messages.sections.kind import Payload, SectionKind, Span
from messages.sections.registry import register, unregister
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch
from tests.messages.chunk_samples import BOOT, PACKED, assert_same, make_batch, reencode


class Marks(SectionKind[list[int]]):
    """A second kind, as small as can be: whole numbers of one span."""

    name = "marks"
    number = 7
    version = 3

    def span(self, content: list[int]) -> Span:
        return Span(content[0], 1)

    def count(self, content: list[int]) -> int:
        return len(content)

    def gather(self, parts: Sequence[list[int]]) -> Iterator[list[int]]:
        yield [mark for part in parts for mark in part]

    def pack(self, content: list[int]) -> Payload:
        return Payload(msgspec.msgpack.encode(content), 8 * len(content))

    def unpack(self, octets: bytes, count: int, span: Span, budget: Budget) -> list[int]:
        budget.take(8 * count)
        return read_struct(msgspec.msgpack.Decoder(list[int]), octets)


@pytest.fixture
def marks() -> Iterator[Marks]:
    kind = Marks()
    register(kind)
    yield kind
    unregister(kind)


def encode_both(batch: WindowBatch, marks: list[int]) -> bytes:
    sections = {"windows": batch, "marks": marks}
    return encode_chunk(
        sections, WINDOWS.span(batch), agent="nanjing-1", boot=BOOT, sequence=7, plan_version=3
    )


def test_sections_of_two_kinds_come_back_and_each_is_counted(marks: Marks) -> None:
    batch = make_batch(3)
    data = encode_both(batch, [5, 6])
    chunk = decode_chunk(data)
    assert_same(batch, chunk.batch)
    assert (chunk.get(marks), chunk.counts) == ([5, 6], {"windows": 3, "marks": 2})
    assert decode_chunk(data, only=("windows",)).get(marks) is None


def test_an_unknown_section_is_no_fault_of_the_chunk(marks: Marks) -> None:
    data = encode_both(make_batch(3), [5, 6])
    unregister(marks)
    try:
        with pytest.raises(UnknownSectionError, match="marks") as told:
            decode_chunk(data)
        assert told.value.fields == {"kind": "marks", "version": 3}
        assert decode_chunk(data, only=("windows",)).counts == {"windows": 3, "marks": 2}
        with pytest.raises(LocalProtocolError, match="marks"):
            encode_both(make_batch(3), [5, 6])
    finally:
        register(marks)


def test_a_section_of_another_version_may_be_read_later() -> None:
    with pytest.raises(UnknownSectionError, match="version 9"):
        decode_chunk(reencode(version=9))


def test_a_kind_of_section_stands_in_a_chunk_once() -> None:
    twice = 2 * msgspec.msgpack.decode(PACKED)["sections"]
    with pytest.raises(RemoteProtocolError, match="twice"):
        decode_chunk(reencode(sections=twice))


def test_a_section_that_holds_more_than_it_says_is_refused(marks: Marks) -> None:
    data = unseal(encode_both(make_batch(3), [5, 6]), MAX_CHUNK_EXPANDED_BYTES)
    sections = msgspec.msgpack.decode(data)["sections"]
    sections[1]["count"] = 1
    with pytest.raises(RemoteProtocolError, match=marks.name):
        decode_chunk(reencode(sections=sections))
