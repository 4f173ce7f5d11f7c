"""The front door: finds the room of a command, and turns errors into one sentence."""

import errno
import importlib
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import isochrone
from foundation.errors import ConfigError


@pytest.fixture(autouse=True)
def _language_of_this_process_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """`main` puts a process's help into one language for good; other tests share this process."""
    monkeypatch.setattr("agent.command_language.use_the_users_language", lambda: None)


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
    run = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
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
    monkeypatch.setattr(isochrone.front_door, "main", refuse)
    with pytest.raises(SystemExit) as stop:
        isochrone.main()
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"isochrone: {sentence}\n"


def test_every_command_is_declared_where_the_table_says() -> None:
    for command in isochrone.COMMANDS.values():
        module, _, attribute = command.place.partition(":")
        assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env=os.environ | {"ISOCHRONE": f"{sys.executable} -P -m isochrone", "ISOCHRONE_LANG": "en"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_or_closed_output_is_one_sentence_and_exit_code_1() -> None:
    full = _shell("$ISOCHRONE probe --help >/dev/full")
    closed = _shell("$ISOCHRONE probe --help >&-")
    for done, reason in ((full, "No space left on device"), (closed, "Bad file descriptor")):
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"isochrone: The output cannot be written: {reason}; free space there, or name another "
            "place.\n"
        )


def test_a_reader_that_has_seen_enough_is_no_error_to_tell() -> None:
    done = _shell("$ISOCHRONE probe --help | true")
    assert done.stderr == ""


def test_an_interrupted_command_says_nothing_and_exits_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**_: object) -> None:
        raise click.Abort

    monkeypatch.setattr(isochrone.front_door, "main", interrupted)
    with pytest.raises(SystemExit) as stop:
        isochrone.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == ""


def test_a_file_that_this_user_may_not_use_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/srv/keys/authority.pem")

    monkeypatch.setenv("ISOCHRONE_LANG", "en")
    monkeypatch.setattr(isochrone.front_door, "main", forbidden)
    with pytest.raises(SystemExit) as stop:
        isochrone.main()
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith(
        "isochrone: This user may not use /srv/keys/authority.pem; run as its owner"
    )
