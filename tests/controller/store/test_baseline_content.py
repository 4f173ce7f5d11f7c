"""A sealed baseline comes back as it was sealed, or not at all."""

import zlib
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store.baseline_content import Content, SealedStream, content_of, record_of
from foundation.errors import RemoteProtocolError

COLUMNS = ("unit", "hour", "sent", "lost", "rtt_sum_ns", "rtt_least_ns", "rtt_most_ns", "indptr",
           "bucket", "count")  # fmt: skip
CONTENT = Content(
    version=2,
    edges_version=1,
    from_ns=10,
    to_ns=20,
    plan_versions={"nanjing": 3},
    streams=[SealedStream(stream_id=1 << 40, path="a>b", type_p="udp4")],
    **{name: name.encode() for name in COLUMNS},
    forward_count=b"\x00\x01",
)


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=5), st.integers(0, 1 << 60)))
def test_content_comes_back_as_it_was_sealed(column: bytes, versions: dict[str, int]) -> None:
    content = msgspec.structs.replace(CONTENT, sent=column, plan_versions=versions)
    record = record_of("autumn", content, 9)
    assert content_of(record) == content
    assert (record.name, record.from_ns, record.to_ns, record.sealed_ns) == ("autumn", 10, 20, 9)


def test_the_same_content_has_the_same_digest_whenever_and_as_whatever_it_is_sealed() -> None:
    other = msgspec.structs.replace(CONTENT, lost=b"!")
    assert record_of("a", CONTENT, 1).digest == record_of("b", CONTENT, 2).digest
    assert record_of("a", other, 1).digest != record_of("a", CONTENT, 1).digest


@pytest.mark.parametrize("spoil", [b"", b"no zlib", zlib.compress(b"\x80")])
def test_what_is_not_what_was_sealed_is_told_and_never_shown(spoil: bytes) -> None:
    record = replace(record_of("autumn", CONTENT, 9), content=spoil)
    with pytest.raises(RemoteProtocolError, match="autumn is not what was sealed"):
        content_of(record)


def test_content_of_before_the_way_there_was_kept_is_read_without_it() -> None:
    raw = msgspec.msgpack.decode(msgspec.msgpack.encode(CONTENT))
    old = msgspec.msgpack.decode(msgspec.msgpack.encode([1, *raw[1:16]]), type=Content)
    assert (old.version, old.count, old.forward_count) == (1, b"count", b"")
