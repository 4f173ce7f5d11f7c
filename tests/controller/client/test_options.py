"""What commands that ask a controller take from the environment, and what an option overrules."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import isochrone
from controller.client.link import ControllerAddress
from controller.client.options import controller_options, past_options
from foundation.local_time import local_text

FROM_ENVIRONMENT = {
    "ISOCHRONE_URL": "unix:/run/i.sock",
    "ISOCHRONE_TOKEN_FILE": "/etc/token",
    "ISOCHRONE_CA": "/etc/ca.pem",
}


@click.command()
@controller_options
@past_options
def said(address: ControllerAddress, period: tuple[int, int]) -> None:
    click.echo(f"{address.url} {address.token_file} {address.ca_file} {local_text(period[1])}")


def ask(*words: str, **environment: str) -> str:
    end = ("--last", "1h", "--to", "2026-11-01T00:00Z")
    done = CliRunner().invoke(said, [*words, *end], env=environment)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_environment_names_the_controller_its_token_and_its_authority() -> None:
    told = ask(**FROM_ENVIRONMENT)
    assert told.startswith("unix:/run/i.sock /etc/token /etc/ca.pem ")


def test_an_option_goes_before_the_environment() -> None:
    words = ("--url", "https://10.0.0.1", "--token-file", "t", "--ca", "c", "--time-zone", "UTC")
    told = ask(*words, **FROM_ENVIRONMENT, ISOCHRONE_TIME_ZONE="Asia/Shanghai")
    assert told == "https://10.0.0.1 t c 2026-11-01T00:00:00+00:00\n"


def test_an_empty_variable_is_none() -> None:
    told = ask(ISOCHRONE_URL="", ISOCHRONE_TOKEN_FILE="", ISOCHRONE_CA="", ISOCHRONE_TIME_ZONE="")
    assert told.startswith("https://127.0.0.1:8780 None None ")


def clients(group: click.Group, name: str) -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for word in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), word)
        assert command is not None
        if isinstance(command, click.Group):
            found += clients(command, f"{name} {word}")
        elif any(option.name == "ca" for option in command.params):
            found.append((f"{name} {word}", command))
    return found


CLIENTS = dict(clients(isochrone.front_door, "isochrone"))


def test_every_command_with_an_authority_is_seen_here() -> None:
    assert len(CLIENTS) >= 13


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_has_its_defaults_in_the_environment(name: str) -> None:
    variables: dict[str, Any] = {
        option.name: option.envvar
        for option in CLIENTS[name].params
        if isinstance(option, click.Option) and option.name
    }
    assert variables["token_file"] == "ISOCHRONE_TOKEN_FILE"
    assert variables["ca"] == "ISOCHRONE_CA"
    assert "ISOCHRONE_TIME_ZONE" in variables.values()
    by_hand = ("isochrone campaign run", "isochrone campaign create")  # the file goes before it
    assert variables["url"] == (None if name in by_hand else "ISOCHRONE_URL")


def test_a_campaign_of_this_machine_alone_asks_no_controller_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOCHRONE_URL", f"unix:{tmp_path}/nobody.sock")
    said = []
    for key in ('sites = "none.toml"', ""):
        file = tmp_path / "c.toml"
        file.write_text(f'name = "c"\ntitle = {{ en = "C", zh = "C" }}\nduration_s = 60\n{key}\n')
        words = ["campaign", "run", str(file), "--out", str(tmp_path)]
        said.append(str(CliRunner().invoke(isochrone.front_door, words).exception))
    assert "none.toml" in said[0]
    assert f"The controller at unix:{tmp_path}/nobody.sock does not answer" in said[1]
