"""One session with a controller: what is asked, and answers that are no answers told as errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import aiohttp

from controller.client.errors import check_media, cut_short, decoded, no_answer, refusal
from controller.client.pages import all_pages
from foundation.json_document import plain_json

if TYPE_CHECKING:
    from controller.client.link import ControllerAddress

Answer = TypeVar("Answer")
PAGE_LIMIT = 10_000
PIECE_BYTES = 1 << 20
DONE = (200, 201)


class Calls:
    """Asks one controller; an async context manager.

    Every method raises ResourceError or RightsError with the controller's reason where it refuses,
    SilentControllerError where it does not answer.
    """

    def __init__(self, address: ControllerAddress, timeout_s: float) -> None:
        self.url = address.url
        self._address, self._timeout_s = address, timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Calls:
        self._session = self._address.open_session(self._timeout_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def answer(
        self,
        method: str,
        route: str,
        *,
        json: Any = None,
        query: dict[str, str] | None = None,
        media: str | None = None,
    ) -> tuple[int, bytes]:
        """Return the status and the body, whatever it is; a success is of `media`."""
        assert self._session is not None
        try:
            async with self._session.request(method, route, json=json, params=query) as said:
                if media is not None and said.status in DONE:
                    check_media(self.url, said.content_type, media)
                return said.status, plain_json(await said.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer(self.url, error) from error

    async def body(self, method: str, route: str, **asked: Any) -> bytes:
        """Return the body of a success; `asked` as in `answer`."""
        status, body = await self.answer(method, route, **asked)
        if status not in DONE:
            raise refusal(self.url, status, body)
        return body

    async def document(self, method: str, route: str, kind: type[Answer], **asked: Any) -> Answer:
        """Return the document of a success; `asked` as in `answer`."""
        return decoded(self.url, await self.body(method, route, **asked), kind)

    async def items(
        self, route: str, kind: type[Any], query: dict[str, str] | None = None
    ) -> list[Any]:
        """Return all items of a list, page by page, that `query` asks for."""
        asked = {"limit": str(PAGE_LIMIT)} | (query or {})

        async def page_after(place: dict[str, str]) -> Any:
            return await self.document("GET", route, kind, query=asked | place)

        return await all_pages(self.url, page_after)

    async def download(
        self,
        route: str,
        query: dict[str, str],
        media: str,
        opened: Callable[[], AbstractContextManager[BinaryIO]],
    ) -> int:
        """Write a long answer piece by piece into what is `opened` for it; return its length.

        Raises ResourceError where it ends before it is complete, OSError where writing does.
        """
        assert self._session is not None
        size_bytes = 0
        try:
            async with self._session.get(route, params=query) as said:
                if said.status not in DONE:
                    raise refusal(self.url, said.status, plain_json(await said.read()))
                check_media(self.url, said.content_type, media)
                with opened() as file:
                    async for piece in said.content.iter_chunked(PIECE_BYTES):
                        size_bytes += await asyncio.to_thread(file.write, piece)
            return size_bytes
        except aiohttp.ClientConnectorError as error:
            raise no_answer(self.url, error) from error
        except BrokenPipeError:
            raise  # whoever reads the output has seen enough
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise cut_short(self.url, error) from error
