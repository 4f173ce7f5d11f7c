"""Wrong usage of any command is one sentence and exit code 2, as the reference says."""

from pathlib import Path

import pytest

import isochrone

WRONG = {
    "an option that is unknown": "probe icmp ::1 --cuont 3",
    "a number out of range": "probe icmp ::1 --count 0",
    "an interval that floods": "probe icmp ::1 --interval 0.001ms",
    "no target": "probe icmp",
    "an option of another protocol": "probe icmp ::1 --port 80",
    "nobody may ask": "reflect",
    "no place to listen": "reflect --open --listen nowhere",
    "no prefix": "reflect --peer 10.0.0.0/99",
    "no controller's address": "agent enrol http://10.0.0.1",
    "a token twice": "agent enrol https://10.0.0.1 isoe.x --token-file x",
    "neither role nor agent": "controller token create --data .",
    "no lifetime": "controller token create --data . --role viewer --expires soon",
    "no agent's name": "controller revoke --data . Agent_1",
    "no listening address": "controller run --sites {sites} --data {data} --listen here",
    "no time": "controller baseline seal b --from soon --to later",
    "no controller": "controller baseline list --url ftp://10.0.0.1",
    "no controller for a seal": "controller baseline seal b --from 2026 --to 2027 --url unix:",
    "no address for the screen": "tui --url ftp://10.0.0.1",
    "a socket without a path": "tui --url unix:",
    "no size": "tui --url unix:/nowhere --screenshot x.svg --size big",
    "no scenario": "lab jiangsoo --headless",
    "no fault": "lab tiny --fault plague",
}


@pytest.mark.parametrize("command", WRONG.values(), ids=WRONG)
def test_wrong_usage_exits_with_2(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sites = Path("topology/sample.sites.toml").absolute()
    words = command.format(sites=sites, data=tmp_path / "data").split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["isochrone", *words])
    with pytest.raises(SystemExit) as stop:
        isochrone.main()
    told = capsys.readouterr()
    assert (stop.value.code, told.out) == (2, ""), told.err
    assert told.err
    assert "Traceback" not in told.err
