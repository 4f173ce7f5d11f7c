"""A damaged database is one sentence that names check and backup, never a traceback."""

import contextlib
import os
import pathlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.access.certificate_authority import create_authority
from controller.serving.assembly import open_services
from controller.serving.preflight import check_store
from controller.settings import Settings
from controller.store.interface import DamagedStoreError
from controller.store.levels import HOUR
from controller.store.sqlite.backup import back_up, check
from controller.store.sqlite.engine import FILE_NAME, open_store
from foundation.clock import SystemClock
from foundation.errors import ConfigError, IsochroneError, ResourceError
from lab.fleet.scenario import find_scenario
from tests.controller.store.stored_chunks import chunk_of_batch
from topology.network import Network
from topology.site_file import load_network

SITES = find_scenario("tiny").with_name("tiny.sites.toml")
T0_NS = 20_000 * 86_400_000_000_000
FLIPS = 30


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network(SITES)


@pytest.fixture
def data(
    network: Network, tmp_path: pathlib.Path, batch_of: Callable, chunk_of: Callable
) -> pathlib.Path:
    """A data directory with plans, windows, rollups and tiles, whose controller has ended."""
    directory = tmp_path / "data"
    state = open_services(network, directory, Settings(), SystemClock())
    for number in range(12):
        batch = batch_of([5, 7], T0_NS + number * 10_000_000_000)
        item = chunk_of_batch(
            batch, chunk_of(batch, agent="nanjing", sequence=number), sequence=number
        )
        state.store.windows.put_chunk(item).result()
    for later in range(2, 5):
        state.store.rollups.roll_up(T0_NS + later * HOUR.step_ns, 20)
    state.close()
    return directory


@pytest.mark.parametrize("seed", range(12))
def test_random_flips_end_in_a_sentence_or_harm_nothing(
    data: pathlib.Path, network: Network, seed: int
) -> None:
    moments = random.Random(seed)
    content = bytearray((data / FILE_NAME).read_bytes())
    for _ in range(FLIPS):
        content[moments.randrange(len(content))] ^= 1 << moments.randrange(8)
    (data / FILE_NAME).write_bytes(bytes(content))
    with contextlib.suppress(ConfigError):  # its very name may be gone
        check(data)
    check_store(data)
    said = start(network, data)
    assert said is None or "is not a database" in said or ("check" in said and "backup" in said)


def start(network: Network, data: pathlib.Path) -> str | None:
    """Start a controller; return what it says if it cannot."""
    try:
        open_services(network, data, Settings(), SystemClock()).close()
    except IsochroneError as error:
        return error.message("en")
    return None


def torn(data: pathlib.Path, table: str) -> None:
    """Overwrite the root page of a table."""
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (data / FILE_NAME).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


@pytest.mark.parametrize("table", ["agents", "states", "plans", "streams", "campaigns"])
def test_a_table_that_cannot_be_read_is_named_by_check_and_told_at_the_start(
    data: pathlib.Path, network: Network, table: str
) -> None:
    torn(data, table)
    assert check(data).damaged
    said = start(network, data)
    assert said is not None
    assert "is damaged" in said
    assert "check" in said


@pytest.mark.parametrize("harm", [b"rubbish" * 3000, b"\xa5" * 4096 * 3])
def test_a_damaged_database_of_keys_is_told_apart(
    data: pathlib.Path, network: Network, harm: bytes
) -> None:
    path = data / "keys" / "access.sqlite3"
    path.write_bytes(path.read_bytes()[:100] + harm)
    said = start(network, data)
    assert said is not None
    assert "database of keys" in said
    assert "backup" in said


@pytest.mark.parametrize("name", [FILE_NAME, f"{FILE_NAME}-wal", "keys/access.sqlite3", "lock"])
@pytest.mark.parametrize("how", ["directory", "pipe", "loop"])
def test_what_stands_where_a_database_should_be_is_one_sentence(
    data: pathlib.Path, network: Network, name: str, how: str
) -> None:
    place = data / name
    place.unlink(missing_ok=True)
    {
        "directory": pathlib.Path.mkdir,
        "pipe": os.mkfifo,
        "loop": lambda path: path.symlink_to(path),
    }[how](place)
    said = start(network, data)
    assert said is not None
    assert str(data) in said
    assert place.is_symlink() or not place.is_file()  # it was not replaced
    if name == FILE_NAME:
        with pytest.raises(IsochroneError):
            check(data)
        assert check_store(data)[0].status == "fail"


def test_a_database_that_was_emptied_is_never_taken_for_a_new_one(
    data: pathlib.Path, network: Network
) -> None:
    create_authority(data, ["localhost"], SystemClock())
    assert start(network, data) is None
    for name, word in (("keys/access.sqlite3", "nobody"), (FILE_NAME, "measurements are gone")):
        place = data / name
        held = place.read_bytes()
        place.write_bytes(b"")
        said = start(network, data)
        assert said is not None
        assert "is empty" in said
        assert word in said
        assert "backup" in said
        assert place.read_bytes() == b""
        place.write_bytes(held)
    assert start(network, data) is None
    for path in (data / "keys").glob("access.sqlite3*"):
        path.rename(data.parent / path.name)
    said = start(network, data)
    assert said is not None
    assert "missing" in said
    assert not (data / "keys" / "access.sqlite3").exists()


def test_what_is_no_text_any_more_is_damage(data: pathlib.Path, network: Network) -> None:
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as connection:
        connection.execute("UPDATE results SET results = 'many'")
        connection.execute("UPDATE streams SET path = CAST(x'fffe' AS TEXT)")
        connection.commit()
    with pytest.raises(DamagedStoreError, match="controller check"):
        open_services(network, data, Settings(), SystemClock())


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE chunks SET payload = substr(payload, 1, 50) WHERE sequence = 3", "chunk"),
        ("UPDATE chunks SET counts = '{\"windows\":9}' WHERE sequence = 3", "chunk"),
        ("UPDATE rollups SET payload = x'00' WHERE level = 1", "rollup"),
        ("UPDATE rollups SET figures = x'0000000000' WHERE level = 2", "rollup"),
        ("UPDATE tiles SET payload = x'00'", "tile"),
        ("UPDATE plans SET content = x'00'", "plan"),
        ("INSERT INTO campaign_reports VALUES (1, x'00')", "report"),
        ("INSERT INTO baselines VALUES ('b', 1, 2, 3, 'x', x'00')", "baseline"),
    ],
)
def test_check_names_what_is_damaged_of_every_kind(
    data: pathlib.Path, sql: str, named: str
) -> None:
    assert check(data).damaged == ()
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as connection:
        connection.execute(sql)
        connection.commit()
    found = check(data)
    assert found.damaged
    assert {line.split()[0] for line in found.damaged} == {named}
    assert found.chunks == 12


def test_a_damaged_chunk_is_left_out_and_the_rest_is_used(
    data: pathlib.Path, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(sqlite3.connect(data / FILE_NAME)) as connection:
        connection.execute("UPDATE chunks SET payload = x'00' WHERE sequence = 3")
        connection.execute("UPDATE tiles SET payload = x'00' WHERE stream_id = 5")
        connection.commit()
    store = open_store(data)
    asked = [record for record in store.streams.all() if record.agent == "nanjing"][:1]
    record = replace(asked[0], stream_id=5)
    windows = store.series.read([record], T0_NS, T0_NS + HOUR.step_ns // 2)
    assert len(windows.points) == 11
    assert "chunk" in caplog.text
    store.series.read([record], T0_NS, T0_NS + HOUR.step_ns, step_ns=60_000_000_000)
    store.close()


def test_checking_a_backup_leaves_nothing_beside_it(data: pathlib.Path) -> None:
    place = data.parent / "backups"
    place.mkdir()
    back_up(data, place / "copy.db")
    before = (place / "copy.db").read_bytes()
    assert check(place / "copy.db").chunks == 12
    assert [path.name for path in place.iterdir()] == ["copy.db"]
    assert (place / "copy.db").read_bytes() == before
    assert check(data).chunks == 12
    assert not list(data.glob("*-wal"))
    assert not list(data.glob("*-shm"))


def test_a_database_in_a_directory_that_cannot_be_written_is_checked(data: pathlib.Path) -> None:
    place = data.parent / "medium"
    shutil.copytree(data, place)
    (place / "lock").unlink()
    place.chmod(0o500)
    for path in place.iterdir():
        path.chmod(0o400)
    assert check(place).damaged == ()
    place.chmod(0o700)


def test_what_is_no_database_and_what_is_not_there_are_told_apart(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="There is no database"):
        check(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"rubbish" * 1000)
    with pytest.raises(ConfigError, match="is not an Isochrone database"):
        check(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ResourceError, match="cannot be read"):
        check(tmp_path)
