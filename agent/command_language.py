"""Help and usage errors of the command line in the user's language, by gettext.

The catalogue holds click's own words and ours, in `locale/zh/LC_MESSAGES`: messages.po is edited,
messages.mo is compiled from it (a test says how) since gettext reads nothing else.
"""

from __future__ import annotations

import gettext
import inspect
import os
import re
from collections.abc import Iterable
from pathlib import Path

import click

from foundation.text import Text, language_of_environment

CATALOGUES = Path(__file__).parent / "locale"
COMPOSED: dict[str, str] = {}  # help texts that bring their own Chinese
_PIECES = re.compile(r"\s*（?(?:\[[^\[\]]*\]|[!-~]+|\S)[，。；：、）]*")


class ChineseHelp(click.HelpFormatter):
    """Help with wide colons, and lines as long as the terminal: a character takes two columns."""

    def write_heading(self, heading: str) -> None:
        """Write a heading such as ``选项：``."""
        self.write(f"{'':>{self.current_indent}}{heading}：\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of the usage, without click's space after the colon."""
        super().write_usage(f"{gettext.gettext('Usage:')}{prog}", args, prefix or "")

    def write_text(self, text: str) -> None:
        """Write paragraphs of prose."""
        indent = " " * self.current_indent
        paragraphs = [_broken(each, self.width - len(indent)) for each in text.split("\n\n")]
        self.write("\n\n".join("\n".join(indent + line for line in lines) for lines in paragraphs))
        self.write("\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write pairs in two columns; what is too long for the first is above the second."""
        pairs = list(rows)
        first = min(max(len(term) for term, _ in pairs), col_max) + col_spacing
        indent = " " * self.current_indent
        for term, text in pairs:
            lines = _broken(text, max(self.width - len(indent) - first, 10))
            if len(term) + col_spacing > first:
                lines.insert(0, "")
            self.write(
                "".join(
                    f"{indent}{term if n == 0 else '':<{first}}{line}".rstrip() + "\n"
                    for n, line in enumerate(lines)
                )
            )


def use_the_users_language() -> None:
    """Let gettext, and so click, find the catalogue of the user's language."""
    chinese = language_of_environment() == "zh"
    click.Context.formatter_class = ChineseHelp if chinese else click.HelpFormatter
    if chinese:
        os.environ["LANGUAGE"] = "zh"  # gettext knows of no ISOCHRONE_LANG
        gettext.bindtextdomain("messages", str(CATALOGUES))


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


def _broken(text: str, width: int) -> list[str]:
    """Return the lines of a text, none wider than that many columns of a terminal.

    Chinese may be broken anywhere but before a closing mark; other words stay whole.
    """
    from rich.cells import cell_len

    lines = [""]
    for piece in _PIECES.findall(text):
        if cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.rstrip() for line in lines]


def key_of(text: str) -> str:
    """Return a help text as the catalogue has it: one line a paragraph."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def in_both(text: Text) -> str:
    """Take a help text that brings its own Chinese, as composed ones do; return it in English."""
    COMPOSED[key_of(text.en)] = text.zh
    return text.en


def _translated(text: str | None) -> str | None:
    if not text:
        return text
    key = key_of(text)
    if key in COMPOSED and language_of_environment() == "zh":
        return COMPOSED[key]
    return gettext.gettext(key)
