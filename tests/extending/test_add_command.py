"""A command is its own module and one entry in `isochrone.COMMANDS`."""

from __future__ import annotations

import sys
import types

import click
import pytest

import isochrone


@click.command()
@click.argument("name")
def greet(name: str) -> None:
    """Greet somebody."""
    click.echo(f"hello {name}")


@pytest.fixture(autouse=True)
def _language_of_this_process_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """`main` puts a process's help into one language for good; other tests share this process."""
    monkeypatch.setattr("agent.command_language.use_the_users_language", lambda: None)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("greeting_command")
    module.greet = greet  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "greeting_command", module)
    entry = isochrone.Command("greeting_command:greet", "Greet somebody.")
    monkeypatch.setitem(isochrone.COMMANDS, "greet", entry)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["isochrone", *words])
    with pytest.raises(SystemExit) as stop:
        isochrone.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_a_command_is_added_by_one_entry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "greet", "world") == 0
    assert capsys.readouterr().out == "hello world\n"


def test_it_is_listed_with_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    assert "Greet somebody." in capsys.readouterr().out


def test_wrong_usage_of_it_is_told_like_that_of_any_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "greet") == 2
    assert "Missing argument" in capsys.readouterr().err
