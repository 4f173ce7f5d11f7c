"""Units and container images give each service the rights it needs and no others."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = ("isochrone-agent.service", "isochrone-controller.service")


def settings(unit: str) -> dict[str, str]:
    lines = (DEPLOY / unit).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


def test_unit_runs_the_agent_with_raw_sockets_and_the_stamp_port_alone() -> None:
    unit = settings("isochrone-agent.service")
    assert "isochrone agent run --config" in unit["ExecStart"]
    assert unit["AmbientCapabilities"] == "CAP_NET_RAW CAP_NET_BIND_SERVICE"
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"]
    text = (DEPLOY / "isochrone-agent.service").read_text(encoding="utf-8")
    assert "SocketBindDeny=udp:1-861\nSocketBindDeny=udp:863-1023\n" in text
    assert unit["NoNewPrivileges"] == unit["DynamicUser"] == "yes"
    assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_controller_has_no_capability_at_all() -> None:
    unit = settings("isochrone-controller.service")
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"


@pytest.mark.parametrize("unit", UNITS)
def test_service_says_that_it_lives_and_has_descriptors_enough(unit: str) -> None:
    said = settings(unit)
    assert said["Type"] == "notify"
    assert int(said["WatchdogSec"]) >= 60
    assert int(said["LimitNOFILE"]) >= 65_536


def test_image_gives_raw_sockets_to_the_interpreter_that_runs_the_agent(tmp_path: Path) -> None:
    controller, agent = (DEPLOY / "Containerfile").read_text(encoding="utf-8").split(" AS agent\n")
    assert "setcap" not in controller  # an interpreter with rights does not start where none are
    (line,) = (line for line in agent.splitlines() if "setcap" in line)
    program = tmp_path / "isochrone"
    program.write_text("#!/opt/isochrone/bin/python\nimport sys\n", encoding="utf-8")
    target = line.split("ep ", 1)[1].replace("/opt/isochrone/bin/isochrone", str(program))
    told = subprocess.run(["sh", "-c", f"echo {target}"], capture_output=True, check=True)
    assert told.stdout == b"/opt/isochrone/bin/python\n"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze (systemd)")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_the_unit(unit: str, tmp_path: Path) -> None:
    text = (DEPLOY / unit).read_text(encoding="utf-8").replace("/usr/bin/isochrone", "/bin/true")
    (tmp_path / unit).write_text(text, encoding="utf-8")
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in run.stderr.splitlines() if "isochrone" in line]
    assert (run.returncode, ours) == (0, [])
