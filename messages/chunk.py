"""Chunks: what one agent measured over one span, as bytes to spool, send and store.

    chunk     a zstd frame with a checksum around one msgpack map: schema, agent, boot, sequence,
              plan_version, start_ns, duration_ns and sections
    section   kind, version, count, payload; each kind at most once (messages.sections)

A chunk is known for ever by (agent, boot, sequence), whatever is in it; one without sections says
nothing and asks whether its like is there. Decoding trusts nobody: the checksum is verified, sizes
are limited before and while expanding, each section is checked by its kind, and whatever is wrong
raises RemoteProtocolError. A section of an unknown kind or version is no fault of the chunk:
UnknownSectionError, and a later program may read it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from foundation.condition import Word
from foundation.errors import RemoteProtocolError
from foundation.number_types import Count
from messages.columns import Budget, OtherVersionError, malformed, read_struct, refuse_to_send
from messages.exchange import (
    MAX_CHUNK_BYTES,
    MAX_CHUNK_EXPANDED_BYTES,
    SCHEMA_VERSION,
    AgentName,
    BootId,
)
from messages.frame import seal, unseal
from messages.sections.kind import Content, SectionKind, Span
from messages.sections.registry import kind_named
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch

MAX_ROWS = 1 << 18  # of a section; at 60 bytes per window this fills MAX_CHUNK_BYTES
MAX_SECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One agent's results of one span: `sections` has the contents of each kind by its name."""

    agent: str
    boot: str
    sequence: int
    plan_version: int
    span: Span
    sections: Mapping[str, Any]
    counts: Mapping[str, int]  # of every section, also of those that were not read

    def get(self, kind: SectionKind[Content]) -> Content | None:
        """Return the results of a kind, None where there are none."""
        content: Content | None = self.sections.get(kind.name)
        return content

    @property
    def batch(self) -> WindowBatch:
        """The windows; an empty batch where there are none."""
        found = self.get(WINDOWS)
        if found is None:
            return WindowBatch.empty(self.span.start_ns, self.span.duration_ns)
        return found


class UnknownSectionError(OtherVersionError):
    """A sane chunk with a section of a kind or version that this program does not know."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: Word
    version: Count
    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)]
    payload: msgspec.Raw


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: Count
    agent: AgentName
    boot: BootId
    sequence: Count
    plan_version: Count
    start_ns: Count
    duration_ns: Annotated[int, msgspec.Meta(gt=0, le=3_600_000_000_000)]
    sections: Annotated[tuple[_Section, ...], msgspec.Meta(max_length=MAX_SECTIONS)]


class _Versioned(msgspec.Struct, frozen=True):
    """What chunks of every version have in common."""

    schema: Count


_DECODER = msgspec.msgpack.Decoder(_Wire)
_VERSION_DECODER = msgspec.msgpack.Decoder(_Versioned)


def encode_chunk(
    sections: Mapping[str, Any],
    span: Span,
    *,
    agent: str,
    boot: str,
    sequence: int,
    plan_version: int,
) -> bytes:
    """Return the bytes of a chunk; `sections` has the contents of each kind by its name.

    `boot` is 8 to 64 hexadecimal digits. LocalProtocolError if what a section holds contradicts
    itself or the chunk would exceed MAX_CHUNK_BYTES.
    """
    wires, expanded_bytes = [], 0
    for name, content in sections.items():
        kind = kind_named(name)
        if kind is None:
            raise refuse_to_send(f"there is no kind of section named {name}")
        payload = kind.pack(content)
        expanded_bytes += payload.expanded_bytes
        wires.append(
            _Section(
                kind=name,
                version=kind.version,
                count=kind.count(content),
                payload=msgspec.Raw(payload.octets),
            )
        )
    wire = _Wire(
        schema=SCHEMA_VERSION,
        agent=agent,
        boot=boot,
        sequence=sequence,
        plan_version=plan_version,
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        sections=tuple(wires),
    )
    data = seal(msgspec.msgpack.encode(wire))
    if expanded_bytes > MAX_CHUNK_EXPANDED_BYTES or len(data) > MAX_CHUNK_BYTES:
        results = sum(each.count for each in wires)
        raise refuse_to_send(f"{results} results are too many for one chunk")
    return data


def encode_windows(
    batch: WindowBatch, *, agent: str, boot: str, sequence: int, plan_version: int
) -> bytes:
    """Return the bytes of a chunk of windows alone."""
    return encode_chunk(
        {WINDOWS.name: batch},
        WINDOWS.span(batch),
        agent=agent,
        boot=boot,
        sequence=sequence,
        plan_version=plan_version,
    )


def decode_chunk(data: bytes, only: Collection[str] | None = None) -> Chunk:
    """Return the chunk in `data`; RemoteProtocolError on anything that is not a whole, sane one.

    With `only`, the sections of these kinds alone are read: of the others there are the counts.
    """
    wire = _unwrap(data)
    span = Span(wire.start_ns, wire.duration_ns)
    budget = Budget(MAX_CHUNK_EXPANDED_BYTES)
    counts = {section.kind: section.count for section in wire.sections}
    if len(counts) != len(wire.sections):
        raise malformed("it holds a kind of section twice", "同类数据段重复")
    return Chunk(
        agent=wire.agent,
        boot=wire.boot,
        sequence=wire.sequence,
        plan_version=wire.plan_version,
        span=span,
        sections={
            section.kind: _content(section, span, budget)
            for section in wire.sections
            if only is None or section.kind in only
        },
        counts=counts,
    )


def is_whole(data: bytes) -> bool:
    """Whether the bytes of a chunk are those that were encoded: its checksum is right."""
    try:
        unseal(data, MAX_CHUNK_EXPANDED_BYTES)
    except RemoteProtocolError:
        return False
    return True


def _content(section: _Section, span: Span, budget: Budget) -> Any:
    kind = kind_named(section.kind)
    if kind is None or kind.version != section.version:
        known = "no version" if kind is None else f"version {kind.version}"
        known_zh = "不支持该类数据" if kind is None else f"支持第 {kind.version} 版"
        raise UnknownSectionError(
            f"The chunk has a section of kind {section.kind}, version {section.version}; this "
            f"program knows {known} of it. Upgrade the older side.",
            f"数据块含 {section.kind} 类数据段（第 {section.version} 版）；本程序{known_zh}。"
            "请升级较旧的一方。",
            kind=section.kind,
            version=section.version,
        )
    content = kind.unpack(bytes(section.payload), section.count, span, budget)
    if kind.count(content) != section.count:
        raise malformed(
            f"the section {section.kind} does not hold what it says",
            f"数据段 {section.kind} 的条数不符",
        )
    return content


def _unwrap(data: bytes) -> _Wire:
    if len(data) > MAX_CHUNK_BYTES:
        raise malformed("it is larger than the limit", "超过大小上限")
    contents = unseal(data, MAX_CHUNK_EXPANDED_BYTES)
    try:
        wire = read_struct(_DECODER, contents)
    except RemoteProtocolError:
        _check_version(contents)
        raise
    if wire.schema != SCHEMA_VERSION:
        raise _other_version(wire.schema)
    return wire


def _check_version(contents: bytes) -> None:
    """Raise OtherVersionError for the contents of a chunk of another version."""
    try:
        schema = read_struct(_VERSION_DECODER, contents).schema
    except RemoteProtocolError:
        return
    if schema != SCHEMA_VERSION:
        raise _other_version(schema)


def _other_version(schema: int) -> OtherVersionError:
    return OtherVersionError(
        f"The chunk has schema {schema}; this program reads schema {SCHEMA_VERSION}. Upgrade the "
        "older side.",
        f"数据块的格式版本为 {schema}；本程序支持 {SCHEMA_VERSION}。请升级较旧的一方。",
    )
