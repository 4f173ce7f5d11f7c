"""The stream of events: something was judged again, something changed."""

from typing import Any


async def test_events_tell_of_every_round(controller: Any) -> None:
    async with controller.session.ws_connect("http://controller/api/v1/events") as socket:
        assert await socket.receive_json() == {"type": "verdicts", "revision": 0}
        await controller.judge()
        assert await socket.receive_json() == {"type": "verdicts", "revision": 1}
