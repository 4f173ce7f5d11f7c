"""While it runs: whoever's credential is revoked by another process is cut off."""

import asyncio
import pathlib
from typing import Any

import pytest

from controller.access.credential_store import CredentialStore
from controller.serving import key_watch
from controller.serving.key_watch import LOOP, watch_keys


async def test_an_open_connection_ends_when_its_token_is_revoked_elsewhere(
    controller: Any, clock: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "LOOK_EVERY_S", 0.0)
    token = controller.services.access.create_api_token("viewer", "x", None)
    headers = {"Authorization": f"Bearer {token}"}
    address = "http://controller/api/v1/events"
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as tasks,
        controller.session.ws_connect(address, headers=headers) as socket,
    ):
        assert await socket.receive_json() == {"type": "verdicts", "revision": 0}
        watching = tasks.create_task(watch_keys(controller.services, None), name="keys")
        elsewhere = CredentialStore(tmp_path / "life", clock)
        elsewhere.revoke_token(elsewhere.tokens()[0].id)
        elsewhere.close()
        message = await socket.receive()
        assert message.type.name in ("CLOSE", "CLOSED", "ERROR")
        watching.cancel()
    assert LOOP in controller.services.watchdog.ages_s()
