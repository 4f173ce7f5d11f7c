import pathlib
import sqlite3
import threading
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from controller.commands.controller import controller as command
from controller.store.interface import Store
from controller.store.levels import HOUR, MINUTE
from controller.store.records import StreamRecord
from controller.store.sqlite.backup import back_up, check
from controller.store.sqlite.engine import FILE_NAME, open_store
from foundation.errors import ConfigError, ResourceError
from probes.window import WindowBatch
from tests.controller.store.stored_chunks import chunk_of_batch

Make = Callable[..., WindowBatch]
Encode = Callable[..., bytes]
T0_NS = 20_000 * 86_400_000_000_000
STREAM = StreamRecord(stream_id=5, agent="nanjing", path="a>b", protocol="udp", type_p="udp4")


@pytest.fixture
def put(store: Store, batch_of: Make, chunk_of: Encode) -> Callable[[int], bool]:
    """Return a function that stores the windows of an interval by its number."""

    def put_one(number: int) -> bool:
        batch = batch_of([5, 7], T0_NS + number * 10_000_000_000)
        item = chunk_of_batch(
            batch, chunk_of(batch, agent="nanjing", sequence=number), sequence=number
        )
        return store.windows.put_chunk(item).result()

    return put_one


def test_backup_of_a_store_that_is_being_written_holds_all_that_was_committed(
    store: Store, put: Callable[[int], bool], tmp_path: pathlib.Path
) -> None:
    for number in range(20):
        put(number)
    stop = threading.Event()

    def go_on() -> None:
        number = 20
        while not stop.is_set():
            put(number)
            number += 1

    writing = threading.Thread(target=go_on)
    writing.start()
    try:
        back_up(tmp_path / "data", tmp_path / "copy.db")
    finally:
        stop.set()
        writing.join()
    found = check(tmp_path / "copy.db")
    assert found.chunks >= 20
    assert found.windows == 2 * found.chunks
    assert found.damaged == ()


def test_restored_backup_is_a_store_that_goes_on(
    store: Store, put: Callable[[int], bool], tmp_path: pathlib.Path
) -> None:
    for number in range(6):
        put(number)
    store.rollups.roll_up(T0_NS + HOUR.step_ns, 10)
    restored = tmp_path / "restored"
    restored.mkdir()
    back_up(tmp_path / "data", restored / FILE_NAME)
    copy = open_store(restored)
    minutes = copy.series.read([STREAM], T0_NS, T0_NS + HOUR.step_ns, step_ns=MINUTE.step_ns)
    assert minutes.points["sent"].tolist() == [60]
    first = next(copy.windows.chunks_since(0))
    assert copy.windows.put_chunk(first).result() is False
    copy.close()


def test_backup_never_overwrites(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(ConfigError, match="never overwrites"):
        back_up(tmp_path / "data", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_damaged_chunk_is_named_by_its_key(
    store: Store, put: Callable[[int], bool], tmp_path: pathlib.Path
) -> None:
    put(0)
    put(1)
    store.close()
    db = sqlite3.connect(tmp_path / "data" / FILE_NAME)
    db.execute("UPDATE chunks SET payload = substr(payload, 1, 40) WHERE sequence = 1")
    db.commit()
    db.close()
    found = check(tmp_path / "data")
    assert len(found.damaged) == 1
    assert found.damaged[0].startswith("chunk nanjing b0 1:")


def test_commands_say_what_they_did_and_check_fails_on_damage(
    store: Store, put: Callable[[int], bool], tmp_path: pathlib.Path
) -> None:
    put(0)
    data, copy = str(tmp_path / "data"), str(tmp_path / "copy.db")
    said = CliRunner().invoke(command, ["backup", "--data", data, "--to", copy])
    assert (said.exit_code, "MB" in said.output) == (0, True)
    said = CliRunner().invoke(command, ["check", "--data", copy])
    assert said.exit_code == 0
    assert "1 chunk with 2 windows" in said.output
    db = sqlite3.connect(copy)
    db.execute("UPDATE chunks SET payload = x'00'")
    db.commit()
    db.close()
    assert CliRunner().invoke(command, ["check", "--data", copy]).exit_code == 1


@pytest.mark.parametrize("days", ["7", "14,62,800", "14,7,800,900", "0,1,2,3", "a,b,c,d"])
def test_days_that_make_no_sense_are_refused(days: str, tmp_path: pathlib.Path) -> None:
    arguments = ["run", "--sites", "x", "--data", str(tmp_path), "--keep", days]
    said = CliRunner().invoke(command, arguments)
    assert said.exit_code == 2
    assert "--keep" in said.output


def test_a_backup_named_by_links_in_a_circle_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "b.db").symlink_to(tmp_path / "b.db")
    with pytest.raises(ResourceError, match="cannot be written"):
        back_up(tmp_path, tmp_path / "b.db")


def test_database_of_another_program_is_neither_copied_nor_checked(tmp_path: pathlib.Path) -> None:
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("CREATE TABLE photos (id INTEGER)")
    other.commit()
    other.close()
    with pytest.raises(ConfigError, match="not an Isochrone database"):
        check(tmp_path)
    with pytest.raises(ConfigError, match="not an Isochrone database"):
        back_up(tmp_path, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
