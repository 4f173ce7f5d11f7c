"""Nothing that a controller, an agent or a lab keeps is open to other users of the machine."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.plan.file import PLAN_FILE, save_plan
from agent.spool.spooler import Spooler
from agent.state_directory import sole_use_of
from controller.api.server.addresses import listens_of
from controller.serving.assembly import open_services
from controller.serving.service import serve
from controller.settings import Settings
from controller.store.sqlite.backup import back_up
from foundation.clock import SystemClock
from isochrone import front_door
from lab.fleet.run_directory import RunDirectory
from lab.fleet.scenario import find_scenario
from messages.exchange import Plan
from messages.sections.windows import WINDOWS
from tests.controller.conftest import batch_of
from topology.site_file import load_network

SITES = find_scenario("tiny").with_name("tiny.sites.toml")


@pytest.fixture(autouse=True)
def open_handed() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def loose(directory: Path) -> list[str]:
    """Return what others may do anything with, the directory itself too."""
    everything = [directory, *directory.rglob("*")]
    return [
        f"{path.relative_to(directory)} {stat.S_IMODE(path.lstat().st_mode):o}"
        for path in everything
        if path.lstat().st_mode & 0o077
    ]


async def test_a_running_controller_its_keys_and_its_backup(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = CliRunner().invoke(front_door, ["controller", "init", "--data", str(data)])
    assert made.exit_code == 0, made.output
    state = open_services(load_network(SITES), data, Settings(), SystemClock())
    listens = [each for each in listens_of((), data) if each.unix is not None]
    ready = asyncio.Event()

    async def look() -> None:
        assert (data / "controller.sock").is_socket()
        assert (data / "isochrone.db-wal").exists()
        assert loose(data) == []
        ready.set()

    await serve(state, listens, look)
    assert ready.is_set()
    state.close()
    backup = tmp_path / "copy.db"
    back_up(data, backup)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_what_was_loose_before_is_tightened(tmp_path: Path) -> None:
    data = tmp_path / "data"
    open_services(load_network(SITES), data, Settings(), SystemClock()).close()
    for path in (data, *data.rglob("*")):
        path.chmod(0o777)
    open_services(load_network(SITES), data, Settings(), SystemClock()).close()
    assert loose(data) == []


def test_the_state_of_an_agent(tmp_path: Path) -> None:
    state_dir = tmp_path / "agent"
    with sole_use_of(state_dir):
        spooler = Spooler(state_dir / "spool.sqlite3", agent="a1", max_bytes=1 << 20, max_age_s=1e9)
        spooler.add(WINDOWS, batch_of([5], 1_800_000_000 * 10**9), 1)
        spooler.call(spooler.do_flush).result()
        save_plan(state_dir / PLAN_FILE, Plan(version=1, agent="a1"))
        assert len(list(state_dir.iterdir())) >= 5
        assert loose(state_dir) == []
        spooler.close()


def test_the_directory_of_a_lab_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    assert loose(tmp_path / "run") == []
    run.close()
