"""How a sealed baseline is kept: one msgpack document, compressed, and its hash.

The hash is SHA-256 of the document; a baseline is never changed, and a name is never sealed twice.
"""

from __future__ import annotations

import hashlib
import zlib

import msgspec

from controller.store.records import BaselineRecord
from foundation.errors import RemoteProtocolError


class SealedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of a baseline."""

    stream_id: int
    path: str
    type_p: str


class Content(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The sealed document; columns are little-endian int64, float64 and int16 as bytes."""

    version: int
    edges_version: int
    from_ns: int
    to_ns: int
    plan_versions: dict[str, int]
    streams: list[SealedStream]
    unit: bytes
    hour: bytes
    sent: bytes
    lost: bytes
    rtt_sum_ns: bytes
    rtt_least_ns: bytes
    rtt_most_ns: bytes
    indptr: bytes
    bucket: bytes
    count: bytes
    # From version 2 on: the way there, which version 1 did not keep.
    lost_forward: bytes = b""
    lost_backward: bytes = b""
    bound_ns: bytes = b""
    forward_sum_ns: bytes = b""
    forward_least_ns: bytes = b""
    forward_most_ns: bytes = b""
    forward_indptr: bytes = b""
    forward_bucket: bytes = b""
    forward_count: bytes = b""


def record_of(name: str, content: Content, sealed_ns: int) -> BaselineRecord:
    """Return the record in which a baseline is kept."""
    raw = msgspec.msgpack.encode(content)
    return BaselineRecord(
        name=name,
        from_ns=content.from_ns,
        to_ns=content.to_ns,
        sealed_ns=sealed_ns,
        digest=hashlib.sha256(raw).hexdigest(),
        content=zlib.compress(raw),
    )


def content_of(record: BaselineRecord) -> Content:
    """Return what a record holds. Raises RemoteProtocolError if it is not what was sealed."""
    try:
        raw = zlib.decompress(record.content)
    except zlib.error:
        raw = b""
    if hashlib.sha256(raw).hexdigest() != record.digest:
        raise RemoteProtocolError(
            f"The baseline {record.name} is not what was sealed (its hash differs); restore it "
            "from a backup.",
            f"基线 {record.name} 与封存内容不符（哈希不一致）；请从备份恢复。",
            name=record.name,
        )
    return msgspec.msgpack.decode(raw, type=Content)
