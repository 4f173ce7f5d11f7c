"""The doctor finds what is wrong and says what to do about it."""

import sqlite3
from pathlib import Path

from aiohttp import web

from agent.doctor.examine import examine
from agent.spool.counts import count_of
from agent.spool.file import Limits, SpooledChunk, SpoolFile


def configured(tmp_path: Path, controller: str = "unix:///nowhere", extra: str = "") -> Path:
    file = tmp_path / "agent.toml"
    text = f'name = "a1"\ncontroller = "{controller}"\nstate_dir = "{tmp_path}/state"\n{extra}'
    file.write_text(text, encoding="utf-8")
    return file


async def found(file: Path) -> dict[str, tuple[str, str]]:
    return {one.check: (one.status, one.text.en) for one in await examine(file)}


async def test_healthy_agent_has_nothing_that_fails(tmp_path: Path) -> None:
    async def well(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_get("/healthz", well)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "c.sock").start()
    url = f"unix://{tmp_path}/c.sock"
    try:
        extra = "[clock]\ndeclared_bound_us = 20\n[spool]\nmax_bytes = 65536\n"
        told = await found(configured(tmp_path, url, extra))
    finally:
        await runner.cleanup()
    assert told["controller"] == ("ok", f"{url} answers.")
    assert told["clock"] == ("ok", "The clock is off by at most 20 µs (declared).")
    assert told["timestamps"][0] == "ok"
    assert {"config", "policy", "state_dir", "icmp", "tcp", "stamp_port"} <= told.keys()


async def test_agent_that_is_not_enrolled_is_told_how(tmp_path: Path) -> None:
    told = await found(configured(tmp_path, "https://127.0.0.1:1"))
    assert told["certificate"][0] == "fail"
    assert "isochrone agent enrol" in told["certificate"][1]
    assert "controller" not in told  # nothing to show it


async def test_wrong_configuration_is_all_that_is_told(tmp_path: Path) -> None:
    told = await found(configured(tmp_path, extra="nmae = 1\n"))
    assert list(told) == ["config"]
    assert "Did you mean 'name'?" in told["config"][1]


async def test_silent_controller_and_short_disk_are_told(tmp_path: Path) -> None:
    told = await found(configured(tmp_path, extra="[spool]\nmax_bytes = 1000000000000000000\n"))
    assert told["controller"][0] == "fail"
    assert "cannot be reached" in told["controller"][1]
    assert told["state_dir"][0] == "warn"
    assert "lower the bound" in told["state_dir"][1]


async def test_spool_is_looked_at_and_not_touched(tmp_path: Path) -> None:
    file, state = configured(tmp_path), tmp_path / "state"
    state.mkdir()
    spool = SpoolFile(state / "spool.sqlite3", Limits(1 << 20, 1 << 60))
    chunks = [
        SpooledChunk(
            sequence=n, boot="0" * 16, start_ns=1, count=count_of(windows=2, probes=5), payload=b"x"
        )
        for n in (1, 2)
    ]
    spool.put(chunks, 1, {"disk": count_of(windows=7, probes=70)})
    spool.refuse(2, "no")
    told = await found(file)
    assert told["spool"] == ("warn", "Waiting: 1 chunk, refused: 1, dropped: 9 windows.")
    spool.close()
    (state / "spool.sqlite3").write_bytes(b"rubbish" * 1000)
    assert (await found(file))["spool"][0] == "fail"


async def test_databases_are_opened_read_only(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state" / "spool.sqlite3") as other:
        other.execute("CREATE TABLE something (x)")
    told = await found(configured(tmp_path))
    assert told["spool"][0] == "fail"
