"""The whole of it: controller, agents and WAN as processes, verdicts against the truth."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time

import pytest

pytestmark = pytest.mark.network

ROOT = pathlib.Path(__file__).parents[4]
LAB = [sys.executable, "-P", "-m", "isochrone", "lab"]


def environment(temporary: pathlib.Path) -> dict[str, str]:
    return {**os.environ, "ISOCHRONE_LANG": "en", "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}


def check_rows(rows: list[dict[str, object]]) -> None:
    contradicting = [
        row
        for row in rows
        if row["correct"] is False and row["verdict"] in ("pass", "fail", "impossible")
    ]
    assert not contradicting
    assert {row["verdict"] for row in rows} >= {"fail", "impossible"}
    assert sum(row["correct"] is True for row in rows) >= 8


def test_no_window_is_missing_or_twice_when_the_controller_is_killed(
    namespaces: None, tmp_path: pathlib.Path, hostile_folder: pathlib.Path
) -> None:
    json_file = tmp_path / "rows.json"
    command = [*LAB, "tiny", "--headless", "--seconds", "9", "--json", str(json_file)]
    done = subprocess.run(
        [*command, "--fault", "controller-kill:2"],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(tmp_path),
        cwd=hostile_folder,
    )
    # Its verdicts may still lack data so soon after the outage; none may be wrong.
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(json_file.read_text())) == 16
    said = re.search(r"(\d+) of (\d+) streams, missing (\d+), twice (\d+)", done.stdout)
    assert said is not None
    windows, streams, missing, twice = (int(number) for number in said.groups())
    assert (streams, missing, twice) == (36, 0, 0)
    assert windows >= 36 * 5  # fewer than the seconds, where the machine stood still
    assert not list(tmp_path.glob("isochrone-lab-*"))


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def interpreter_for_anyone() -> str | None:
    """Return a Python of our version that nobody can run with our packages: ours lies in /root?"""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    inner = "import subprocess, sys, lab.fleet.fleet"
    inner += "; subprocess.check_call([sys.executable, '-P', '-c', ''])"
    for python in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin")):
        if python is None:
            continue
        reach = subprocess.run(
            [*NOBODY, python, "-P", "-c", inner],
            cwd=ROOT,
            capture_output=True,
            env=anyones_environment(),
        )
        if reach.returncode == 0:
            return python
    return None


def anyones_environment() -> dict[str, str]:
    packages = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return {**os.environ, "ISOCHRONE_LANG": "en", "PYTHONPATH": os.pathsep.join(packages)}


def test_an_ordinary_user_can_run_it(namespaces: None) -> None:
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user already; the other tests show it")
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv: apt-get install util-linux")
    python = interpreter_for_anyone()
    if python is None:
        pytest.skip(
            "an ordinary user cannot read this checkout, its packages or a Python of this version;"
            " move them out of /root"
        )
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, 65534, 65534)
        json_file = pathlib.Path(directory, "rows.json")
        run = ["isochrone", "lab", "tiny", "--headless", "--seconds", "9", "--json", str(json_file)]
        done = subprocess.run(
            [*NOBODY, python, "-P", "-m", *run],
            capture_output=True,
            text=True,
            timeout=300,
            env={**anyones_environment(), "TMPDIR": directory, "HOME": directory},
        )
        if "namespaces" in done.stderr:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stdout + done.stderr
        check_rows(json.loads(json_file.read_text()))


def processes_of(directory: pathlib.Path) -> list[str]:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command:
            found.append(command)
    return found


def test_nothing_is_left_after_kill_9(namespaces: None, tmp_path: pathlib.Path) -> None:
    process = subprocess.Popen(
        [*LAB, "tiny", "--headless", "--seconds", "60"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Measuring"):
            break
    assert len(processes_of(tmp_path)) >= 5  # controller, WAN, three agents
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    until = time.monotonic() + 120
    while (processes_of(tmp_path) or list(tmp_path.glob("isochrone-lab-*"))) and (
        time.monotonic() < until
    ):
        threading.Event().wait(0.05)
    assert processes_of(tmp_path) == []  # and with them their namespaces, which carry no name
    assert list(tmp_path.glob("isochrone-lab-*")) == []
