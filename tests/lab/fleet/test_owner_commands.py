"""What owners do by commands: results come back, nothing is printed, refusals are raised."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from foundation.errors import ConfigError, ResourceError
from isochrone import front_door
from lab.fleet.owner_commands import (
    create_authority,
    create_enrolment_token,
    enrol_agent,
    revoke_agent,
    rotate_stamp_keys,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def listed(*words: str) -> list[str]:
    return CliRunner().invoke(front_door, ["controller", *words]).stdout.splitlines()


def test_an_authority_gives_the_first_admin_token_and_prints_nothing(
    data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    admin = create_authority(data, "198.18.255.1")
    assert len(admin.splitlines()) == 1
    (line,) = listed("token", "list", "--data", str(data))
    assert admin.split(".")[1] in line
    assert capfd.readouterr() == ("", "")


def test_a_second_authority_is_refused_where_one_is(data: Path) -> None:
    create_authority(data)
    with pytest.raises(ConfigError, match="already"):
        create_authority(data)


def test_tokens_are_of_one_agent_and_end_with_it(data: Path) -> None:
    create_authority(data, "127.0.0.1")
    one, other = create_enrolment_token(data, "nanjing"), create_enrolment_token(data, "nanjing")
    assert one != other
    revoke_agent(data, "nanjing")
    lines = [line for line in listed("token", "list", "--data", str(data)) if "nanjing" in line]
    assert len(lines) == 2
    assert all("revoked" in line for line in lines)
    with pytest.raises(ConfigError):
        revoke_agent(data, "nobody")


def test_a_rotation_makes_a_new_secret(data: Path) -> None:
    create_authority(data, "127.0.0.1")
    rotate_stamp_keys(data)
    rotate_stamp_keys(data)
    assert [line.split()[0] for line in listed("stamp-keys", "list", "--data", str(data))] == [
        "1",
        "2",
    ]


def test_an_agent_is_not_enrolled_where_no_controller_answers(data: Path, tmp_path: Path) -> None:
    create_authority(data, "127.0.0.1")
    token, config = create_enrolment_token(data, "nanjing"), tmp_path / "agent.toml"
    with pytest.raises(ResourceError):
        enrol_agent("https://127.0.0.1:9", token, config, tmp_path / "state")
    assert not config.exists()
