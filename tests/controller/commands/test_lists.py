"""What a controller knows, listed: as tables for people, as JSON for programs."""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from click.testing import CliRunner, Result

from controller.access.credentials import CertificateRecord
from controller.access.roles import Identity
from controller.commands.lists import list_
from tests.controller.conftest import Controller, batch_of, chunk_of

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


@pytest.fixture
def ask(
    open_controller: Callable[[], AbstractAsyncContextManager[Controller]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Return what asks a controller that has judged one agent's windows."""
    monkeypatch.setenv("ISOCHRONE_TIME_ZONE", "Asia/Shanghai")

    async def run(*lines: str, language: str = "en", later_s: int = 0) -> list[Result]:
        monkeypatch.setenv("ISOCHRONE_LANG", language)
        async with open_controller() as controller:
            now_ns = controller.services.clock.wall_ns()
            streams = [
                each.stream_id
                for each in controller.services.rounds.scope.streams
                if each.path.source.site == "nanjing" and each.type_p.protocol == "udp"
            ]
            windows = batch_of(streams, now_ns - 10 * SECOND)
            await controller.deliver("nanjing", chunk_of(windows, agent="nanjing", sequence=1))
            await controller.judge()
            if later_s:
                controller.services.clock.now_ns += later_s * SECOND
                await controller.judge()
            await controller.services.duplicates.note(
                "nanjing", "aaaaaaaa", "bbbbbbbb", refused=True
            )
            for serial, days in (("0a", -1), ("0b", 30)):
                controller.services.access.renewed(
                    CertificateRecord(
                        serial=serial,
                        agent="nanjing",
                        issued_ns=now_ns - 2 * DAY,
                        expires_ns=now_ns + days * DAY,
                    ),
                    Identity(kind="owner", name="test", role="admin"),
                )
            url = f"unix:{controller.session.connector.path}"
            return [
                await asyncio.to_thread(CliRunner().invoke, list_, [*line.split(), "--url", url])
                for line in lines
            ]

    return run


async def test_tables_are_read_by_people(ask: Callable[..., Any]) -> None:
    found = await ask("agents", "paths", "verdicts", "states", "certificates")
    for result in found:
        assert result.exit_code == 0, result.output
        lines = result.output.splitlines()
        assert set(lines[1]) == {"-", " "}
        assert len(lines) > 2
    agents, paths, verdicts, states, certificates = (result.output for result in found)
    assert "nanjing" in agents
    _, _, nanjing, suzhou = agents.splitlines()
    assert (nanjing.rstrip()[-1].isdigit(), suzhou.rstrip()[-1]) == (True, "-")  # a copy's refusal
    assert "0 %" in paths
    assert "4.00 ms" in paths
    assert "within" not in verdicts
    assert "5 ms" in verdicts
    assert "+08:00" in states
    assert [line.split()[1] for line in certificates.splitlines()[2:]] == ["expired", "good"]


async def test_tables_are_read_in_chinese(ask: Callable[..., Any]) -> None:
    agents, paths = await ask("agents", "paths", language="zh")
    assert agents.output.startswith("探针")
    assert "0%" in paths.output
    assert "4.00 毫秒" in paths.output


async def test_programs_read_what_the_api_says(ask: Callable[..., Any]) -> None:
    found = await ask(*(f"{what} --json" for what in ("agents", "paths", "verdicts", "states")))
    agents, paths, verdicts, states = (json.loads(result.output) for result in found)
    assert {agent["name"] for agent in agents} == {"nanjing", "suzhou"}
    assert all(path["id"] and path["figures"] is not None for path in paths)
    assert {"verdict", "low", "high", "limit_ns"} <= verdicts[0].keys()
    assert {state["kind"] for state in states} == {"agent", "path", "stream"}


async def test_only_what_was_asked_for_is_listed(ask: Callable[..., Any]) -> None:
    certificates, states, none, unknown = await ask(
        "certificates --state good --agent nanjing --json",
        "states --kind agent --json",
        "certificates --agent suzhou",
        "verdicts --target nowhere",
    )
    assert [each["serial"] for each in json.loads(certificates.output)] == ["0b"]
    assert {each["kind"] for each in json.loads(states.output)} == {"agent"}
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == "There is none.\n"
    assert "no target named nowhere" in str(unknown.exception)


@pytest.mark.parametrize(
    ("later_s", "language", "mark", "gone"),
    [
        (0, "en", "(too old)", ()),
        (400, "en", "(too old)", ("No data", "agent down")),
        (400, "zh", "（已过旧）", ("无数据", "探针离线")),
    ],
)
async def test_figures_and_verdicts_are_listed_with_their_age(
    ask: Callable[..., Any], later_s: int, language: str, mark: str, gone: tuple[str, ...]
) -> None:
    found = await ask("paths", "verdicts", language=language, later_s=later_s)
    for output in (each.output for each in found):
        old = [line for line in output.splitlines() if mark in line]
        assert bool(old) == bool(later_s)
        assert all(any(word in line for word in gone) for line in old)


COMPUTES = ("jinja2", "numpy", "scipy")


@pytest.mark.parametrize(
    ("words", "computes"),
    [
        *(
            (("list", what), COMPUTES)
            for what in ("agents", "certificates", "paths", "states", "verdicts")
        ),
        (("campaign", "list"), ("jinja2", "scipy")),
    ],
)
def test_who_lists_does_not_wait_for_what_computes_to_load(
    words: tuple[str, ...], computes: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    asked = [*words, "--url", f"unix:{tmp_path}/nobody.sock"]
    program = (
        "import sys, isochrone\n"
        "from click.testing import CliRunner\n"
        f"done = CliRunner().invoke(isochrone.front_door, {asked!r})\n"
        "assert 'does not answer' in str(done.exception), done.exception\n"
        f"print([name for name in {computes!r} if name in sys.modules])\n"
    )
    environment = os.environ | {"ISOCHRONE_LANG": "en"}
    run = [sys.executable, "-P", "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"
