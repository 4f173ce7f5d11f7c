"""Texts that others write, from where they come in to everything that a person or program reads."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import os
import pathlib
import re
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest
from aiohttp import web
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

import isochrone
from foundation.condition import Condition
from foundation.errors import IsochroneError
from foundation.logs import JsonLines, PlainLines
from foundation.text import Text
from messages.exchange import SCHEMA_VERSION, Health, Hello
from tests.controller.campaigns.campaign_calls import asked, cancel, post
from tests.controller.conftest import SITES, batch_of, chunk_of
from tui.app import IsochroneApp

SECOND = 1_000_000_000
ROOT = pathlib.Path(__file__).parents[3]
EVILS = {
    "csi": "\x1b[2J\x1b[31mred",
    "osc title": "\x1b]0;OWNED\x07",
    "osc link": "\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "osc clipboard": "\x1b]52;c;Y3VybA==\x07",
    "dcs": "\x1bP$q\x1b\\\x1b_apc\x1b\\",
    "c1": "\x9b31m\x9d0;OWNED\x9c\x90",
    "bidi": "\u202egnp.exe\u2066x\u2069\u200f",
    "zero width": "pay\u200bpal\u2060\ufeff\u00ad",
    "lines": "first\n2027-01-01 00:00:00,000 INFO forged\r\nsecond\u2028third\x85fourth",
    "markup": "[red]x[/red] [@click=app.quit]quit[/] [bold",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>&quot;'\"",
    "markdown": "![x](http://evil.example/x.png) # head `code`",
    "formula": '=HYPERLINK("http://evil.example/","x")',
    "prometheus": 'a"} 1\nforged_metric{x="\\',
    "tags": "\U000e0041\U000e0042",
}
EVIL = " ".join(EVILS.values())
# What a terminal obeys, what turns or parts a line, what nobody sees. Not newline and escape.
OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]"
)


def sites_with(evil: str) -> str:
    """Return a site file whose every free text is evil."""
    said = json.dumps(evil.replace("\x7f", ""), ensure_ascii=True)
    said = re.sub(r"\\ud([89ab]..)\\ud(...)", _scalar, said)
    text = SITES.replace('{ en = "Trial", zh = "试验" }', f"{{ en = {said}, zh = {said} }}")
    for name in ("nanjing", "suzhou", "router"):
        text = text.replace(f'name = "{name}"\n', f'name = "{name}"\ntitle = {said}\n')
    return f"""{text}
[[target]]
name = "own"
title = {said}
kind = "delay"
limit_ms = 5.0
"""


def _scalar(found: re.Match[str]) -> str:
    pair = f"\\ud{found[1]}\\ud{found[2]}"
    return f"\\U{ord(json.loads(f'{chr(34)}{pair}{chr(34)}')):08x}"


@pytest.fixture
def site_file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "evil.toml"
    path.write_text(sites_with(EVIL), encoding="utf-8")
    return path


@pytest.fixture
async def poisoned(controller: Any, tmp_path: pathlib.Path) -> Any:
    """A controller with evil texts in every place where others write; its unix address."""
    state, clock = controller.services, controller.services.clock
    streams = [
        each.stream_id
        for each in state.rounds.scope.streams
        if each.path.source.site == "nanjing" and each.type_p.protocol == "udp"
    ]
    windows = batch_of(streams, clock.wall_ns() - 10 * SECOND, lost=2)
    await controller.deliver("nanjing", chunk_of(windows, agent="nanjing", sequence=1))
    said = Text(EVIL, EVIL)
    health = Health(
        version="0.1.0",
        boot="00c0ffee00c0ffee",
        started_ns=clock.wall_ns(),
        sent_ns=clock.wall_ns(),
        conditions=(Condition(code="evil", severity="error", text=said),),
    )
    async with controller.session.ws_connect(
        "http://controller/api/v1/agents/nanjing/control"
    ) as socket:
        await socket.send_str(
            msgspec.json.encode(
                Hello(schema=SCHEMA_VERSION, agent="nanjing", health=health)
            ).decode()
        )
        await socket.receive()
    body = {"to_ns": clock.wall_ns() + 600 * SECOND, "reason": EVIL, "sites": ["suzhou"]}
    async with controller.session.post("http://controller/api/v1/maintenance", json=body) as answer:
        assert answer.status == 201, await answer.text()
    await post(controller, asked("evil", title={"en": EVIL, "zh": EVIL}))
    await state.scheduler.look()
    clock.now_ns += 10 * SECOND
    await cancel(controller, "evil")
    await state.scheduler.look()
    (record,) = state.campaigns.records.values()
    clock.now_ns += state.reporting.patience_ns(record)
    await state.reporting.report(record)
    await controller.judge()
    return f"unix:{controller.session.connector.path}"


async def ask(*words: str) -> Any:
    return await asyncio.to_thread(CliRunner().invoke, isochrone.front_door, list(words))


LISTS = (
    "list agents",
    "list paths",
    "list verdicts",
    "list states",
    "list certificates",
    "maintenance list",
    "campaign list",
    "campaign show evil",
    "campaign report nosuch",
)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_list_of_the_command_line_steers_a_terminal_or_forges_a_line(
    poisoned: str, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("ISOCHRONE_LANG", language)
    seen = ""
    for words in LISTS:
        where = ["controller"] if words.startswith("maintenance") else []
        result = await ask(*where, *words.split(), "--url", poisoned)
        assert isinstance(result.exception, SystemExit | IsochroneError | None), result.exception
        seen += f"{result.output}{result.exception or ''}"
        if words.startswith("list"):
            seen += (await ask(*words.split(), "--json", "--url", poisoned)).output
    assert "[red]x[/red]" in seen  # it is shown, and obeyed by nobody
    assert OBEYED.findall(seen) == []
    assert "\x1b" not in seen
    assert "\n2027-01-01" not in seen


async def test_the_report_shows_evil_texts_and_runs_links_and_turns_nothing(
    poisoned: str, tmp_path: pathlib.Path
) -> None:
    result = await ask("campaign", "report", "evil", "--out", str(tmp_path), "--url", poisoned)
    assert result.exit_code == 0, result.output
    assert OBEYED.findall(result.output) == []
    page = (tmp_path / "evil.html").read_text(encoding="utf-8")
    assert "[red]x[/red]" in page
    assert "&lt;script&gt;alert(1)" in page
    assert OBEYED.findall(page) == []
    for word in ("<script", "<img", "\x1b", 'href="http://evil', "onerror=alert(1)>"):
        assert word not in page


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
async def test_no_cell_of_an_export_is_a_formula(
    poisoned: str, tmp_path: pathlib.Path, kind: str
) -> None:
    place = tmp_path / f"out.{kind}"
    result = await ask(
        "export", "--from", "2027-01-01T00:00Z", "--to", "2027-02-01T00:00Z",
        "--format", kind, "--output", str(place), "--url", poisoned,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    if kind == "csv":
        rows = list(csv.reader(io.StringIO(place.read_text(encoding="utf-8"))))
    elif kind == "jsonl":
        lines = place.read_text(encoding="utf-8").splitlines()
        rows = [[str(value) for value in json.loads(line).values()] for line in lines]
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        rows = [list(map(str, row.values())) for row in parquet.read_table(place).to_pylist()]
    assert len(rows) > 1
    texts = [cell for row in rows for cell in row if not re.fullmatch(r"-?[0-9.e+-]+", cell)]
    assert texts
    assert [cell for cell in texts if cell.startswith(("=", "+", "@", "-", "\t", "\r"))] == []
    assert OBEYED.findall("".join(texts)) == []


async def test_metrics_have_only_samples_and_labels_of_ours(controller: Any, poisoned: str) -> None:
    async with controller.session.get("http://controller/metrics") as answer:
        text = await answer.text()
    assert "forged" not in text.replace("\\n", "")
    assert OBEYED.findall(text) == []
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"(isochrone|process|python)_[a-z0-9_]+", family.name), family.name
        for sample in family.samples:
            for value in sample.labels.values():
                assert len(value) < 200
                assert "[red]" not in value


@pytest.mark.parametrize("evil", EVILS.values(), ids=EVILS)
@pytest.mark.parametrize("form", [PlainLines("%(levelname)s %(message)s"), JsonLines()])
def test_a_log_record_is_one_line_that_steers_nothing(evil: str, form: logging.Formatter) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "said %s", (evil,), None)
    record.fields = {"agent": evil}
    line = form.format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert OBEYED.findall(line) == []


def drawn(app: IsochroneApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def test_every_view_of_the_terminal_ui_shows_them_as_writing(
    controller: Any, poisoned: str
) -> None:
    app = IsochroneApp(poisoned)
    seen = ""
    async with app.run_test(size=(200, 60)) as pilot:

        async def settled() -> None:
            give_up_s = time.monotonic() + 60
            while not app.is_settled:
                assert time.monotonic() < give_up_s
                await pilot.pause(0.02)
            await pilot.pause()

        await settled()
        for key in ("1", "2", "3", "enter", "4", "6", "question_mark"):
            await pilot.press(key)
            await settled()
            seen += drawn(app)
        assert app.is_running  # nobody clicked quit
    assert "[red]x[/red]" in seen
    assert OBEYED.findall(seen) == []
    assert "\x1b" not in seen


NOT_OURS = {
    "another document": ("application/json", json.dumps({EVIL: EVIL, "items": [{EVIL: EVIL}]})),
    "markup": ("text/html; charset=\x1b[31m", f"<html>{EVIL}"),
    "half a character": ("application/json", '{"items": [{"name": "\\ud800"}]}'),
    "no end": ("application/json", "[" * 100_000),
}


@pytest.mark.parametrize("answer", NOT_OURS.values(), ids=NOT_OURS)
async def test_the_answers_of_a_foreign_server_are_one_sentence_and_no_file(
    tmp_path: pathlib.Path, answer: tuple[str, str]
) -> None:
    media, body = answer

    async def answered(_request: web.Request) -> web.Response:
        return web.Response(body=body.encode(), headers={"Content-Type": media.replace("\x1b", "")})

    foreign = web.Application()
    foreign.router.add_route("*", "/{any:.*}", answered)
    runner = web.AppRunner(foreign)
    await runner.setup()
    socket = tmp_path / "foreign.sock"
    await web.UnixSite(runner, socket).start()
    place = tmp_path / "out"
    period = "--from 2027-01-01T00:00Z --to 2027-02-01T00:00Z"
    try:
        for words in (
            "list agents",
            "controller maintenance list",
            "campaign list",
            "campaign show evil",
            f"campaign report evil --out {place}",
            f"export {period} --format csv --output {place / 'x.csv'}",
            f"tui --screenshot {tmp_path / 'x.svg'}",
        ):
            if media.startswith("text/html") and "report" in words:
                continue  # a page is a page
            result = await ask(*words.split(), "--url", f"unix:{socket}")
            said = f"{result.output}{result.exception or ''}"
            assert result.exit_code == 1, (words, said)
            assert isinstance(result.exception, SystemExit | IsochroneError), result.exception
            assert OBEYED.findall(said) == []
            assert len(said) < 2_000
    finally:
        await runner.cleanup()
    written = sorted(file.name for file in os.scandir(tmp_path))
    assert not [name for name in written if name.endswith((".csv", ".svg"))]
    assert not place.exists() or not list(os.scandir(place))


@pytest.mark.parametrize("cursors", ["one", "two", "ever new"])
async def test_a_list_without_an_end_is_one_sentence(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, cursors: str
) -> None:
    asked, most = [0], 20
    monkeypatch.setattr("controller.client.calls.MOST_PAGES", most)

    async def answered(_request: web.Request) -> web.Response:
        asked[0] += 1
        number = {"one": 1, "two": asked[0] % 2, "ever new": asked[0]}[cursors]
        return web.json_response({"items": [], "next": f"c{number}"})

    foreign = web.Application()
    foreign.router.add_route("*", "/{any:.*}", answered)
    runner = web.AppRunner(foreign)
    await runner.setup()
    socket = tmp_path / "foreign.sock"
    await web.UnixSite(runner, socket).start()
    try:
        for words in ("list agents", "controller maintenance list", "campaign list"):
            asked[0] = 0
            result = await ask(*words.split(), "--url", f"unix:{socket}")
            assert isinstance(result.exception, IsochroneError), (words, result.output)
            assert "a list without an end" in result.exception.text.en
            assert asked[0] <= most + 1
    finally:
        await runner.cleanup()


def test_what_is_typed_or_named_is_repeated_as_plain_writing(tmp_path: pathlib.Path) -> None:
    evil = EVILS["osc title"] + EVILS["bidi"] + EVILS["c1"]
    place = tmp_path / evil
    place.mkdir()
    for words in (
        ["probe", "icmp", "--count", "1", evil],
        ["probe", "icmp", "--json", "--count", "1", evil],
        ["controller", "doctor", "--sites", str(place), "--data", str(place)],
        ["lab", "tiny", str(place)],
        ["list", "agents", "--url", f"https://{evil}"],
        ["agent", "enrol", f"https://[{evil}", "token"],
    ):
        run = subprocess.run(
            [sys.executable, "-P", str(ROOT / "isochrone.py"), *words],
            capture_output=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT), "ISOCHRONE_LANG": "en"},
        )
        said = (run.stdout + run.stderr).decode()
        assert run.returncode in (1, 2), (words, said)
        assert OBEYED.findall(said) == [], words
        assert "\x1b" not in said, words
        assert "Traceback" not in said, said
