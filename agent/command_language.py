"""Help and usage errors of the command line in the user's language, by gettext.

The catalogue holds click's own words and ours, in `locale/zh/LC_MESSAGES`: messages.po is edited,
messages.mo is compiled from it (a test says how) since gettext reads nothing else.
"""

from __future__ import annotations

import gettext
import inspect
import os
from pathlib import Path

import click

from probes.text import language_of_environment

CATALOGUES = Path(__file__).parent / "locale"


class ChineseHelp(click.HelpFormatter):
    """Help whose headings end with the wide colon, which brings its own space."""

    def write_heading(self, heading: str) -> None:
        """Write a heading such as ``选项：``."""
        self.write(f"{'':>{self.current_indent}}{heading}：\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of the usage, without click's space after the colon."""
        super().write_usage(f"{gettext.gettext('Usage:')}{prog}", args, prefix or "")


def speak_the_users_language() -> None:
    """Let gettext, and so click, find the catalogue of the user's language."""
    if language_of_environment() == "zh":
        os.environ["LANGUAGE"] = "zh"  # gettext knows of no ISOCHRONE_LANG
        gettext.bindtextdomain("messages", str(CATALOGUES))
        click.Context.formatter_class = ChineseHelp


def translate(command: click.Command) -> None:
    """Put the help of a command, its parameters and its known subcommands into that language."""
    command.help = _translated(command.help)
    command.epilog = _translated(command.epilog)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            parameter.help = _translated(parameter.help)
            if isinstance(parameter.show_default, str):
                parameter.show_default = _translated(parameter.show_default)
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            translate(subcommand)


def key_of(text: str) -> str:
    """Return a help text as the catalogue has it: one line a paragraph."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _translated(text: str | None) -> str | None:
    return text and gettext.gettext(key_of(text))
