"""`isochrone agent policy`: what the owner's policy allows, before anything is measured."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from agent.policy.command import policy as policy_command
from messages.exchange import Plan
from tests.agent.policy.test_policy import HEAD, stream


def check(tmp_path: Path, *words: str, section: str = "max_packets_per_s = 5.0") -> Result:
    file = tmp_path / "agent.toml"
    file.write_text(f"{HEAD}[policy]\n{section}\n", encoding="utf-8")
    plan = Plan(version=9, agent="a1", streams=(stream(1), stream(2, "127.0.0.1")))
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
    command = ["check", "--config", str(file), *words]
    return CliRunner(env={"ISOCHRONE_LANG": "en"}).invoke(policy_command, command)


def test_check_says_what_of_a_plan_would_run(tmp_path: Path) -> None:
    told = check(tmp_path, "--plan", str(tmp_path / "plan.json"))
    assert told.exit_code == 1
    assert "slowed by policy.max_packets_per_s, 100 → 200 ms" in told.output
    assert "refused by policy.destinations" in told.output
    rules = "policy.destinations, policy.max_packets_per_s"
    assert f"Plan 9: 2 streams; 0 run as asked, 1 slowed, 1 refused: {rules}." in told.output
    document = json.loads(check(tmp_path, "--plan", str(tmp_path / "plan.json"), "--json").output)
    assert (document["running"], len(document["curtailed"])) == (1, 2)


def test_check_shows_the_policy_that_holds(tmp_path: Path) -> None:
    told = check(tmp_path)
    assert told.exit_code == 0
    assert "policy.max_packets_per_s = 5.0" in told.output
    assert "policy.reflector.open = false" in told.output


@pytest.mark.parametrize("hours", ["00:00-24:00", "00:00-12:00", "12:00-24:00"])
def test_check_refuses_in_quiet_hours_what_the_agent_refuses_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: str
) -> None:
    noon_ns = 12 * 3_600_000_000_000
    monkeypatch.setattr("foundation.clock.SystemClock.wall_ns", lambda self: noon_ns)
    section = f'quiet_hours = ["{hours}"]'
    told = check(tmp_path, "--plan", str(tmp_path / "plan.json"), section=section)
    quiet = hours != "00:00-12:00"
    assert told.exit_code == 1
    assert ("policy.quiet_hours" in told.output) == quiet
    assert f"{0 if quiet else 1} run as asked, 0 slowed, {2 if quiet else 1} refused" in told.output
