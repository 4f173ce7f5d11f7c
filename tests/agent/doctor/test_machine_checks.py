"""Which rights and sockets this machine lacks for measuring, and what to do about it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import config_of
from agent.doctor import machine_checks
from agent.doctor.machine_checks import (
    check_local_addresses,
    check_reflector_port,
    check_timestamps,
)
from probes.clocks.calibrate import Calibration

NOBODY = 65_534


def test_port_in_use_is_told_unless_it_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        monkeypatch.setattr(machine_checks, "STAMP_PORT", taken.getsockname()[1])
        assert check_reflector_port(running=False).status == "fail"
        assert check_reflector_port(running=True).status == "ok"
    assert check_reflector_port(running=False).status == "ok"


def test_addresses_that_stand_for_public_ones_must_be_this_machines(tmp_path: Path) -> None:
    document = {"name": "a", "controller": "unix:/c", "state_dir": "/s"}
    local = {"203.0.113.1": "127.0.0.1", "203.0.113.2": "192.0.2.77"}
    good, bad = check_local_addresses(config_of(document | {"local_addresses": local}, tmp_path))
    assert (good.status, bad.status) == ("ok", "fail")
    assert "192.0.2.77 is given for 203.0.113.2" in bad.text.en


@pytest.mark.parametrize(("timestamping", "status"), [("kernel", "ok"), ("user", "warn")])
def test_who_timestamps_is_told(
    monkeypatch: pytest.MonkeyPatch, timestamping: str, status: str
) -> None:
    measured = Calibration(timestamping=timestamping, packets=9, systematic_ns=5e3, random_ns=2e3)
    monkeypatch.setattr(machine_checks, "calibrate", lambda: measured)
    assert check_timestamps().status == status


def test_a_loopback_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Calibration:
        raise OSError(101, os.strerror(101))

    monkeypatch.setattr(machine_checks, "calibrate", fail)
    told = check_timestamps()
    assert told.status == "fail"
    assert "bring `lo` up" in told.text.en


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody without rights")
def test_nobody_is_told_which_rights_are_missing(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    script = (
        f"import os, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY});"
        "from agent.doctor.machine_checks import check_icmp, check_tcp, check_reflector_port;"
        "from foundation.checkup import as_json, check_directory; from pathlib import Path;"
        "print(as_json([check_icmp(), check_tcp(), check_reflector_port(running=False),"
        "check_directory('state_dir', Path('/proc/self/x'), 1)]))"
    )
    inside = [
        "unshare",
        "--net",
        sys.executable,
        "-P",
        "-c",
        "import agent.doctor.machine_checks, encodings.ascii, encodings.idna;" + script,
    ]
    run = subprocess.run(inside, capture_output=True, check=False, env={"PYTHONPATH": root})
    assert run.returncode == 0, run.stderr.decode()
    told = {one["check"]: (one["status"], one["text"]["en"]) for one in json.loads(run.stdout)}
    assert told["icmp"][0] == "fail"
    assert f"leaves group {NOBODY} out" in told["icmp"][1]
    assert told["tcp"][0] == "warn"
    assert told["stamp_port"][0] == "fail"
    assert told["state_dir"][0] == "fail"
