"""What the owners of a controller and of an agent do on their machines, by the commands they have.

They run in this process: an interpreter for each would take a second, and a fleet needs several.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import click

from agent.identity.enrol_command import enrol
from controller.commands.keys import init, stamp_keys
from controller.commands.tokens import revoke, token


def create_authority(data: Path, *hosts: str) -> str:
    """Initialise a controller whose server is reached by these hosts; return the admin token."""
    return _run(init, "--data", str(data), *(word for host in hosts for word in ("--name", host)))


def create_enrolment_token(data: Path, agent: str) -> str:
    """Return a new one-time token for an agent; a running controller knows it within seconds."""
    return _run(token, "create", "--data", str(data), "--enrol", agent)


def revoke_agent(data: Path, agent: str) -> None:
    """Shut an agent out: all its certificates and tokens end."""
    _run(revoke, "--data", str(data), agent)


def rotate_stamp_keys(data: Path) -> None:
    """Make a new secret behind the keys of authenticated probes."""
    _run(stamp_keys, "rotate", "--data", str(data))


def enrol_agent(url: str, one_time_token: str, config: Path, state_dir: Path) -> None:
    """Get an agent its certificate. A configuration that is there names the state directory.

    Raises ConfigError, or ResourceError where the controller refuses or is not there.
    """
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
        file.write(one_time_token)
        file.flush()
        places = ("--config", str(config), "--state-dir", str(state_dir))
        _run(enrol, url, "--token-file", file.name, *places)


def _run(command: click.Command, *words: str) -> str:
    """Run a command; return what it prints as its result. What it tells a person is left out."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        command.main(list(words), standalone_mode=False)
    return printed.getvalue().strip()
