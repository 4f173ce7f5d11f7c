"""What a person who waits is told: which step of how many, and how far it is."""

from __future__ import annotations

import sys

import click

from foundation.text import Text, language_of_environment


def tell(text: Text) -> None:
    """Say something to the person who waits, apart from the result."""
    click.echo(text.pick(language_of_environment()), err=True)


class Progress:
    """Numbered steps on standard error; on a terminal a step's count changes where it stands."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._number = 0
        self._title = ""
        self._said = ""
        self._in_place = sys.stderr.isatty()

    def step(self, title: Text) -> None:
        """Begin the next step."""
        self.end()
        self._number += 1
        self._title = f"[{self._number}/{self._steps}] {title.pick(language_of_environment())}"
        self._show(f"{self._title} …")

    def count(self, done: int, total: int) -> None:
        """Say how far the step is."""
        line = f"{self._title} {done}/{total}"
        if line != self._said and (self._in_place or done == total):
            self._show(line)

    def end(self) -> None:
        """Let the line of the last step stand."""
        if self._in_place and self._said:
            click.echo(err=True)
        self._said = ""

    def _show(self, line: str) -> None:
        self._said = line
        if self._in_place:
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
        else:
            click.echo(line, err=True)
