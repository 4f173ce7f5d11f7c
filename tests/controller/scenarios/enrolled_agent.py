"""An agent that has enrolled with a controller, by its configuration file."""

from __future__ import annotations

import pathlib
from typing import Any

from agent.identity.enrolment import enrol
from messages.enrolment import parse_enrolment_token


async def enrolled(served: Any, tmp_path: pathlib.Path) -> pathlib.Path:
    state, authority, url = served
    until_ns = state.clock.now_ns + 60 * 10**9
    text = state.access.create_enrolment_token("nanjing", authority.fingerprint, until_ns)
    await enrol(url, parse_enrolment_token(text), tmp_path / "state")
    file = tmp_path / "agent.toml"
    file.write_text(
        f'name = "nanjing"\ncontroller = "{url}"\nstate_dir = "{tmp_path}/state"\n',
        encoding="utf-8",
    )
    return file
