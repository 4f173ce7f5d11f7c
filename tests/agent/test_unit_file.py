"""The systemd unit gives the agent the rights it needs and no others."""

from pathlib import Path

UNIT = Path(__file__).parents[2] / "deploy" / "isochrone-agent.service"


def test_unit_runs_the_agent_with_raw_sockets_and_the_stamp_port_alone() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    assert "isochrone agent run --config" in settings["ExecStart"]
    assert settings["AmbientCapabilities"] == "CAP_NET_RAW CAP_NET_BIND_SERVICE"
    assert settings["CapabilityBoundingSet"] == settings["AmbientCapabilities"]
    assert settings["NoNewPrivileges"] == settings["DynamicUser"] == "yes"
