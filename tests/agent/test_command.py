"""`isochrone agent`: what its commands print, and the status they end with."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.running_agent import Controller, start, stop, until

pytestmark = pytest.mark.network


async def test_logs_are_json_where_asked(tmp_path: Path, controller: Controller) -> None:
    process = await start(tmp_path, options=("--verbose", "--log-format", "json"))
    await until(lambda: controller.chunks)
    _, errors = await stop(process, signal.SIGTERM)
    lines = [json.loads(line) for line in errors.splitlines()]
    assert "Plan 5: 1 streams." in [line["message"] for line in lines]


async def test_broken_configuration_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    process = await start(tmp_path, "spol = 1\n")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().count("\n") == 1
    assert "Did you mean 'spool'?" in errors.decode()


def doctor(tmp_path: Path, *options: str) -> tuple[int, str]:
    file = tmp_path / "agent.toml"
    text = f'name = "a1"\ncontroller = "unix:{tmp_path}/none"\nstate_dir = "{tmp_path}/state"\n'
    file.write_text(text, encoding="utf-8")
    words = ["-m", "isochrone", "agent", "doctor", "--config", str(file), *options]
    done = subprocess.run(
        [sys.executable, "-P", *words], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_doctor_fails_where_a_check_does_and_says_so_in_lines_or_in_json(
    tmp_path: Path,
) -> None:
    code, lines = doctor(tmp_path)
    assert code == 1
    assert any(line.startswith("FAIL  controller") for line in lines.splitlines())
    code, text = doctor(tmp_path, "--json")
    found = {one["check"]: one["status"] for one in json.loads(text)}
    assert (code, found["config"], found["controller"]) == (1, "ok", "fail")


@pytest.mark.parametrize("command", ["run", "doctor", "renew"])
def test_a_configuration_that_is_not_there_is_one_sentence(tmp_path: Path, command: str) -> None:
    words = ["-m", "isochrone", "agent", command, "--config", str(tmp_path / "none.toml")]
    done = subprocess.run(
        [sys.executable, "-P", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "deploy/agent.toml" in said
    assert said.count("\n") == 1
