"""Whether this agent is the one of its name that the controller hears."""

from __future__ import annotations

import asyncio


class Claim:
    """What the controller gave us to show with every delivery.

    Until it is given, and while another agent of our name is heard, nothing is delivered: two that
    measure the same would be stored twice. What was measured waits in the spool.
    """

    def __init__(self) -> None:
        self.token = ""
        self._ours = asyncio.Event()

    @property
    def is_doubted(self) -> bool:
        """Whether it is not known to be us who are heard."""
        return not self._ours.is_set()

    def doubt(self) -> None:
        """Deliver nothing from now on."""
        self._ours.clear()

    def confirm(self, token: str) -> None:
        """Go on with the claim that came with a plan."""
        self.token = token
        self._ours.set()

    async def wait_confirmed(self) -> None:
        """Wait until it is we who are heard."""
        await self._ours.wait()
