"""While the controller runs: credentials that end are cut off, its own certificate is renewed."""

from __future__ import annotations

import asyncio
import logging
import ssl

from controller.api.services import Services

LOOP = "keys"
LONGEST_ROUND_S = 60.0
LOOK_EVERY_S = 1.0
RENEW_EVERY_LOOKS = 60
logger = logging.getLogger("isochrone.controller")


async def watch_keys(services: Services, context: ssl.SSLContext | None) -> None:
    """Look every second for ever. `context` is what the TCP listeners speak, if there are any."""
    looks = 0
    services.watchdog.expect(LOOP, LONGEST_ROUND_S)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        looks += 1
        with services.watchdog.part(LOOP, "look"):
            await asyncio.to_thread(services.access.refresh)
            await asyncio.to_thread(services.stamp_keyring.refresh)
            if ended := services.gate.close_ended():
                logger.warning("%d connections cut: their credential has ended", ended)
            if context is not None and looks % RENEW_EVERY_LOOKS == 0:
                await asyncio.to_thread(_renew, services, context)
        services.watchdog.rounded(LOOP)


def _renew(services: Services, context: ssl.SSLContext) -> None:
    if services.authority is not None and services.authority.renew_server_in_time():
        services.authority.load_server(context)
        logger.info("the server's certificate is renewed")
