"""What our HTTP clients ask, they ask of their controller alone.

A redirect would take a token, a certificate or measurements to wherever somebody points, over plain
HTTP too (metadata services of clouds); no controller sends one.
"""

from __future__ import annotations

from aiohttp import ClientError, ClientHandlerType, ClientRequest, ClientResponse

from foundation.text import Text

_REDIRECTS = (300, 301, 302, 303, 305, 307, 308)
_LONGEST = 200


class RedirectedError(ClientError):
    """Somebody answered with a redirect, which was not followed. `text` says where to."""

    def __init__(self, location: str) -> None:
        shown = location[:_LONGEST]
        self.text = Text(
            f"it answers with a redirect to {shown!r}, which is not followed",
            f"其应答为指向 {shown!r} 的重定向，不予跟随",
        )
        super().__init__(self.text.en)


async def follow_no_redirect(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Be a session's middleware that raises RedirectedError instead of going elsewhere."""
    answer = await handler(request)
    if answer.status in _REDIRECTS:
        answer.close()
        raise RedirectedError(answer.headers.get("Location", ""))
    return answer
