"""`isochrone controller maintenance`: announce it, list it, end it."""

from __future__ import annotations

import asyncio
from typing import Any

from click.testing import CliRunner

from controller.commands.periods import maintenance
from foundation.errors import ResourceError
from tests.controller.fleet.test_maintenance import PATH


async def test_commands_announce_list_and_end(controller: Any) -> None:
    at = ["--url", f"unix:{controller.session.connector.path}"]

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, maintenance, [*arguments, *at])

    made = await run("announce", "new fibre", "--to", "2027-01-16T00:00Z", "--path", PATH)
    assert "in force" in made.output, made.output
    assert "(1 path)  new fibre" in made.output
    listed = await run("list")
    assert listed.output == made.output
    ended = await run("end", made.output.split()[0])
    assert "called off" in ended.output or "ended" in ended.output
    refused = await run("announce", "x", "--to", "2027-01-16T00:00Z", "--site", "nowhere")
    assert isinstance(refused.exception, ResourceError)
    assert "There is no site named nowhere." in str(refused.exception)
