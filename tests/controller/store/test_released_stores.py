"""Databases that released versions wrote, stored beside this file, are brought forward whole."""

import pathlib
from collections.abc import Iterator

import pytest
import zstandard

from controller.store.backup import check
from controller.store.levels import HOUR, MINUTE
from controller.store.sqlite_store import FILE_NAME, SqliteStore

RELEASED = sorted((pathlib.Path(__file__).parent / "released").glob("*.db.zst"))
T0_NS = 20_000 * 86_400_000_000_000


@pytest.fixture(params=RELEASED, ids=lambda path: path.name.removesuffix(".db.zst"))
def released(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[SqliteStore]:
    (tmp_path / FILE_NAME).write_bytes(zstandard.decompress(request.param.read_bytes()))
    store = SqliteStore(tmp_path)
    yield store
    store.close()


def test_there_is_a_database_of_every_release() -> None:
    assert [path.name for path in RELEASED] == ["0.1.0.db.zst"]


def test_nothing_is_lost(released: SqliteStore, tmp_path: pathlib.Path) -> None:
    assert [chunk.sequence for chunk in released.chunks_since(0)] == list(range(12))
    assert released.agent_totals()["nanjing"].windows == 24
    assert [stream.stream_id for stream in released.streams()] == [5, 7]
    assert released.latest_plans()["nanjing"].version == 1
    assert [baseline.name for baseline in released.baselines()] == ["before"]
    assert [(s.subject, s.target, s.state) for s in released.event_log.states()] == [
        ("p", "t", "fail")
    ]
    assert [(e.state, e.previous) for e in released.event_log.events()] == [("fail", "pass")]
    assert check(tmp_path).damaged == ()


def test_old_windows_are_rolled_up_too(released: SqliteStore) -> None:
    released.roll_up(T0_NS + HOUR.step_ns, 10)
    minutes = released.series(
        released.streams(), T0_NS, T0_NS + HOUR.step_ns, step_ns=MINUTE.step_ns
    )
    assert minutes.points["sent"].tolist() == [60, 60] * 2
    assert minutes.lost().tolist() == [6, 6] * 2


def test_chunk_of_the_old_version_is_still_known(released: SqliteStore) -> None:
    first = next(released.chunks_since(0))
    assert released.put_chunk(first).result() is False
