"""A spool that an agent keeps, opened by its path: read without being touched, and damaged."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.spool.counts import count_of
from agent.spool.file import Limits, SpooledChunk, SpoolFile
from lab.faults.spool_file import flip, is_kept, spool_of, tear, waiting

PAYLOADS = [bytes([number]) * 3_000 for number in (1, 2, 3)]


def opened(path: Path) -> SpoolFile:
    return SpoolFile(path, Limits(1 << 20, 1 << 60))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SpoolFile]:
    """Give a spool with three chunks, kept where an agent keeps its own."""
    made = opened(spool_of(tmp_path))
    for number, payload in enumerate(PAYLOADS, 1):
        known = {"sequence": number, "start_ns": number}
        count = count_of(windows=1, probes=number)
        made.put([SpooledChunk(**known, boot="0" * 16, count=count, payload=payload)], number)
    yield made
    made.close()


def test_what_waits_is_read_beside_the_agent_that_keeps_it(
    spool: SpoolFile, tmp_path: Path
) -> None:
    assert waiting(spool_of(tmp_path)) == PAYLOADS
    spool.refuse(2, "nobody will have it")
    spool.delete([1])
    assert waiting(spool_of(tmp_path)) == PAYLOADS[2:]
    spool.delete([3])
    assert waiting(spool_of(tmp_path)) == []
    assert is_kept(spool_of(tmp_path))  # an empty one is one


def test_a_spool_that_was_not_begun_is_told_and_not_made(tmp_path: Path) -> None:
    assert not is_kept(spool_of(tmp_path))
    assert not spool_of(tmp_path).exists()
    spool_of(tmp_path).touch()  # made, and nothing in it yet
    assert not is_kept(spool_of(tmp_path))


def test_a_flip_changes_one_bit_of_the_oldest_chunk_alone(spool: SpoolFile, tmp_path: Path) -> None:
    spool.close()
    flip(spool_of(tmp_path))
    oldest, *others = waiting(spool_of(tmp_path))
    assert others == PAYLOADS[1:]
    assert len(oldest) == len(PAYLOADS[0])
    changed = int.from_bytes(oldest, "big") ^ int.from_bytes(PAYLOADS[0], "big")
    assert changed.bit_count() == 1


def test_a_flip_of_an_empty_spool_leaves_it_as_it_is(spool: SpoolFile, tmp_path: Path) -> None:
    spool.delete([1, 2, 3])
    spool.close()
    flip(spool_of(tmp_path))
    assert waiting(spool_of(tmp_path)) == []


def test_a_torn_spool_is_one_that_the_agent_finds_damaged(spool: SpoolFile, tmp_path: Path) -> None:
    path = spool_of(tmp_path)
    spool.relieve()
    spool.close()
    size, first_page = path.stat().st_size, path.read_bytes()[:4096]
    tear(path)
    assert path.stat().st_size == size
    assert path.read_bytes()[:4096] == first_page  # it still says that it is a spool
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        opened(path)
