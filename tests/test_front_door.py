"""The front door: finds the room of a command, and turns errors into one sentence."""

import importlib
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import isochrone
from probes.errors import ConfigError


@pytest.mark.parametrize("name", sorted(isochrone.COMMANDS))
def test_every_listed_command_opens_and_has_help(name: str) -> None:
    result = CliRunner().invoke(isochrone.front_door, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_listing_the_commands_imports_no_room() -> None:
    script = (
        "import sys, isochrone\n"
        "from click.testing import CliRunner\n"
        "assert CliRunner().invoke(isochrone.front_door, ['--help']).exit_code == 0\n"
        "rooms = {'agent', 'controller', 'lab', 'topology', 'tui'}\n"
        "print(sorted(rooms & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_unknown_command_is_a_usage_error_that_names_it() -> None:
    result = CliRunner().invoke(isochrone.front_door, ["prob"])
    assert result.exit_code == 2
    assert "prob" in result.output


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "Say where."), ("zh_CN.UTF-8", "请指明位置。")]
)
def test_an_error_a_person_can_mend_is_one_sentence_in_their_language_and_exit_code_1(
    language: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(**_: object) -> None:
        raise ConfigError("Say where.", "请指明位置。")

    monkeypatch.setenv("ISOCHRONE_LANG", language)
    monkeypatch.setattr(isochrone, "front_door", refuse)
    with pytest.raises(SystemExit) as stop:
        isochrone.main()
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"isochrone: {sentence}\n"


def test_every_command_is_declared_where_the_table_says() -> None:
    for entry, _ in isochrone.COMMANDS.values():
        module, _, attribute = entry.partition(":")
        assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)
