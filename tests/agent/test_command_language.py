"""Help and usage errors in Chinese: complete, compiled, and asked for by the environment."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from rich.cells import cell_len

import isochrone
from agent.command_language import CATALOGUES, COMPOSED, ChineseHelp, key_of

PLACE = CATALOGUES / "zh/LC_MESSAGES"


def _catalogue() -> Catalog:
    with (PLACE / "messages.po").open("rb") as file:
        return read_po(file, locale="zh")


def _helps(command: click.Command) -> Iterator[str]:
    """Yield every text of a command's help and its subcommands'."""
    yield from filter(None, (command.help, command.epilog))
    for parameter in command.params:
        yield from filter(None, [getattr(parameter, "help", None)])
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            assert subcommand is not None
            yield from _helps(subcommand)


def _without_help(command: click.Command, name: str) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.help:
            yield f"{name} {parameter.opts[0]}"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            subcommand = command.get_command(context, each)
            assert subcommand is not None
            yield from _without_help(subcommand, f"{name} {each}")


def test_every_option_has_a_help_text() -> None:
    assert list(_without_help(isochrone.front_door, "isochrone")) == []


def test_every_help_text_has_its_chinese() -> None:
    catalogue = _catalogue()
    texts = [
        *_helps(isochrone.front_door),
        *(command.help for command in isochrone.COMMANDS.values()),
    ]
    known = COMPOSED.keys() | {str(message.id) for message in catalogue if message.string}
    missing = {key_of(text) for text in texts} - known
    assert missing == set()


def test_what_gettext_reads_was_compiled_from_what_people_edit() -> None:
    """Compile it with: pybabel compile -D messages -l zh -d agent/locale."""
    compiled = io.BytesIO()
    write_mo(compiled, _catalogue())
    compiled.seek(0)
    with (PLACE / "messages.mo").open("rb") as file:
        kept = {str(message.id): message.string for message in read_mo(file) if message.id}
    assert kept == {str(message.id): message.string for message in read_mo(compiled) if message.id}


def test_chinese_help_fits_the_terminal_and_loses_nothing() -> None:
    helps = [str(message.string) for message in _catalogue() if message.id]
    formatter = ChineseHelp(width=78)
    formatter.indent()
    formatter.write_dl([("--option LONG", text) for text in helps])
    formatter.write_text("\n\n".join(helps))
    said = formatter.getvalue()
    assert max(map(cell_len, said.splitlines())) <= 78
    assert all("".join(text.split()) in "".join(said.split()) for text in helps)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"LC_ALL": "zh_CN.UTF-8"}, "'--count' 的值无效：0 不在范围"),
        ({"LC_ALL": "zh_CN.UTF-8", "ISOCHRONE_LANG": "en"}, "Invalid value for '--count'"),
        ({"LC_ALL": "C", "ISOCHRONE_LANG": "zh"}, "用法：isochrone probe"),
    ],
)
def test_a_usage_error_is_in_the_language_of_the_environment(
    environment: dict[str, str], said: str
) -> None:
    plain = {name: value for name, value in os.environ.items() if name != "ISOCHRONE_LANG"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "isochrone", "probe", "icmp", "127.0.0.1", "--count", "0"],
        env=plain | environment | {"PYTHONUTF8": "1"},
        cwd=Path(isochrone.__file__).parent,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
