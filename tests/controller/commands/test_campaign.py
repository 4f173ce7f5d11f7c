"""Campaigns on the command line, against a controller that is served."""

import asyncio
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

import isochrone

FILE = """
name = "voice"
title = "Voice"
duration_s = 60
begin = 2027-01-15T08:01:40Z

[[mesh]]
name = "pair"
kind = "list"
ip_versions = [4]
carriers = "same"
pairs = [["nanjing", "suzhou"]]

[[mesh.stream]]
protocol = "udp"
port = 8620
dscp = 46
interval_ms = 20
"""
Run = Callable[..., Any]


@pytest.fixture
def run(controller: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs `isochrone campaign …` on the controller, in a thread."""
    monkeypatch.setenv("ISOCHRONE_LANG", "en")

    async def go(*words: str, code: int = 0) -> str:
        everything = ["campaign", *words, "--url", f"unix:{tmp_path / 'api.sock'}"]
        done: Result = await asyncio.to_thread(CliRunner().invoke, isochrone.front_door, everything)
        said = f"{done.output}{done.exception or ''}"
        assert done.exit_code == code, said
        return said

    return go


def write(path: pathlib.Path, text: str = FILE) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


async def test_a_campaign_is_tried_created_listed_shown_and_reported(
    controller: Any, run: Run, clock: Any, tmp_path: pathlib.Path
) -> None:
    file = write(tmp_path / "voice.toml")
    assert "no campaign" in await run("list")
    said = await run("create", file, "--dry-run")
    assert "2 streams: 2 new, 0 run already" in said
    assert "100.0 probes/s" in said
    assert "Busiest agent: " in said
    assert "no campaign" in await run("list")
    assert "voice  scheduled  2027-01-15T08:01:40+00:00" in await run("create", file)
    assert "2 streams" in await run("list")
    clock.now_ns = 1_800_000_100_000_000_000
    await controller.services.scheduler.look()
    assert "voice  running" in await run("show", "voice")
    assert "no report yet" in await run("report", "voice", "--out", str(tmp_path), code=1)
    clock.now_ns += 10_000_000_000
    assert "voice  cancelled" in await run("cancel", "voice")
    await controller.services.scheduler.look()
    (record,) = controller.services.campaigns.records.values()
    clock.now_ns += controller.services.reporting.patience_ns(record)
    await controller.services.reporting.report(record)
    said = await run("show", "voice")
    assert "cancelled 50 s before its end by owner uid" in said
    assert "IPv6 no worse than IPv4: No data" in said
    for _ in range(2):
        said = await run("report", "voice", "--out", str(tmp_path))
    assert "Earlier report" in said
    assert "Voice" in (tmp_path / "voice.html").read_text(encoding="utf-8")


async def test_a_file_without_a_mesh_has_nothing_to_create(
    run: Run, tmp_path: pathlib.Path
) -> None:
    text = 'name = "a"\ntitle = "A"\nduration_s = 5\n'
    assert "needs `mesh`" in await run("create", write(tmp_path / "a.toml", text), code=1)
