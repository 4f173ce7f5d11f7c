"""The front door: `isochrone COMMAND`. It finds the room and opens it; nothing else lives here."""

from __future__ import annotations

import errno
import gettext
import importlib
import io
import os
import sys
from typing import NamedTuple

import click

from foundation.errors import IsochroneError, UsageError
from foundation.text import plain

VERSION = "0.1.0"


class Command(NamedTuple):
    """Where a command is (module:attribute), what it does, and whether it measures.

    What one that measures finds may still be waiting, from a run whose terminal went away.
    """

    place: str
    help: str
    measures: bool = False


# Only the room that is requested is imported.
COMMANDS: dict[str, Command] = {
    "run": Command(
        "lab.fleet.run_command:run",
        "Start everything on this machine and open the terminal UI.",
        measures=True,
    ),
    "probe": Command(
        "agent.probe.command:probe",
        "Measure loss, delay and delay variation to targets now.",
        measures=True,
    ),
    "reflect": Command(
        "agent.probe.reflect_command:reflect", "Answer STAMP probes (RFC 8762).", measures=True
    ),
    "agent": Command("agent.command:agent", "Run a measuring agent on this machine."),
    "controller": Command(
        "controller.commands.controller:controller",
        "Run the controller: plans, verdicts, API.",
    ),
    "campaign": Command(
        "controller.commands.campaign:campaign",
        "Run a measurement campaign and report on it.",
        measures=True,
    ),
    "list": Command(
        "controller.commands.lists:list_",
        "List agents, certificates, paths, verdicts or states of a controller.",
    ),
    "export": Command("controller.commands.export:export", "Export measurements to a file."),
    "tui": Command("tui.command:tui", "Open the terminal UI of a controller."),
    "lab": Command(
        "lab.fleet.command:lab",
        "Run a fleet of agents on an emulated WAN with known delay and loss.",
        measures=True,
    ),
    "doctor": Command(
        "lab.doctor_command:doctor",
        "Find out why the services of this machine do not work.",
        measures=True,
    ),
    "truth": Command(
        "lab.trial.command:truth",
        "Check verdicts and intervals against known truth.",
        measures=True,
    ),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        if os.environ.get("LANGUAGE") == "zh":
            from agent.command_language import translate

            translate(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _ = gettext.gettext
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(entry.help)) for name, entry in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="isochrone")
def front_door() -> None:
    """Tell whether a network meets its latency targets, with statistical evidence."""


def main() -> None:
    """Run the command line; an error a person can fix is one sentence."""
    # numpy would start a thread a core as it is loaded, for linear algebra that nobody does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from agent.command_language import translate, use_the_users_language
    from agent.resilient_streams import ResilientStreams, end_as_other_tools_do
    from agent.standard_streams import (
        output_error,
        replace_closed_streams,
        replace_what_cannot_be_encoded,
        use_a_language_that_can_be_written,
    )
    from tui.terminal_width import write_as_wide_as_it_is_drawn

    replace_closed_streams()
    streams = ResilientStreams()
    streams.install()
    replace_what_cannot_be_encoded()
    write_as_wide_as_it_is_drawn()
    use_a_language_that_can_be_written()
    use_the_users_language()
    translate(front_door)
    if any(name in COMMANDS and COMMANDS[name].measures for name in sys.argv[1:2]):
        streams.announce_earlier()
    try:
        code = _exit_code()
        sys.stdout.flush()
    except IsochroneError as error:
        code = _told(error)
    except click.ClickException as error:
        shown = io.StringIO()  # it repeats what was typed
        error.show(file=shown)
        click.echo(plain(shown.getvalue(), lines=True), nl=False, err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except OSError as error:
        told = output_error(error)
        if told is None:
            raise
        if error.errno == errno.EPIPE:
            end_as_other_tools_do()
        code = _told(told)
    sys.exit(streams.settle(code))


def _exit_code() -> int:
    """Run the command and return what it exits with."""
    try:
        code = front_door.main(prog_name="isochrone", standalone_mode=False)
    except SystemExit as stop:
        code = stop.code
    return code if isinstance(code, int) else 0


def _told(error: IsochroneError) -> int:
    click.echo(f"isochrone: {error.message()}", err=True)
    return 2 if isinstance(error, UsageError) else 1


if __name__ == "__main__":
    main()
