"""One session with a controller: what is asked, and answers that are no answers told as errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

import aiohttp
import msgspec

from controller.documents.values import ErrorDocument
from foundation.errors import ConfigError, ResourceError, RightsError
from foundation.json_document import plain_json
from foundation.reasons import reason_of
from foundation.text import Text, excerpt
from foundation.tls_faults import certificate_fault

if TYPE_CHECKING:
    from controller.client.link import ControllerAddress
    from foundation.errors import IsochroneError

Answer = TypeVar("Answer")
PAGE_LIMIT = 10_000
PIECE_BYTES = 1 << 20
DONE = (200, 201)
MOST_PAGES = 1_000  # of as many items as the controller puts on a page
_NOT_TRUSTED = Text(
    "is not from an authority that this machine trusts; give the controller's keys/authority.pem "
    "with --ca",
    "并非由本机信任的颁发机构签发；请用 --ca 指定控制器的 keys/authority.pem",
)


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


class Page(Protocol):
    """One page, and the cursor of the next one (None at the end)."""

    @property
    def items(self) -> Sequence[Any]:
        """What is on it."""

    @property
    def next(self) -> str | None:
        """Where the next one begins."""


async def all_pages(url: str, page_after: Callable[[dict[str, str]], Awaitable[Page]]) -> list[Any]:
    """Return the items of every page; `page_after` reads the one that a query's cursor begins.

    Raises ResourceError where a cursor comes again or pages never end: that is no controller.
    """
    page = await page_after({})
    found, seen = list(page.items), set[str]()
    while (cursor := page.next) is not None:
        if not cursor or cursor in seen or len(seen) == MOST_PAGES:
            raise other_answer(url, "a list without an end")
        seen.add(cursor)
        page = await page_after({"after": cursor})
        found += page.items
    return found


class SilentControllerError(ResourceError):
    """A controller does not answer at all; it may come back."""


def no_answer(url: str, error: Exception) -> IsochroneError:
    """Return what tells why there is no answer from `url`."""
    fault = certificate_fault(error)
    if fault is not None:
        told = _NOT_TRUSTED if fault.kind == "authority" else fault.text
        return ConfigError(
            f"The certificate of {url} {told.en}.", f"{url} 的证书{told.zh}。", url=url
        )
    reason = reason_of(error)
    return SilentControllerError(
        f"The controller at {url} does not answer ({reason.en}); start it, or check --url.",
        f"控制器 {url} 没有应答（{reason.zh}）；请先启动控制器，或检查 --url。",
        url=url,
    )


def decoded(url: str, body: bytes, kind: type[Answer]) -> Answer:
    """Return an answer's document. Raises ResourceError where it is another one than expected."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise other_answer(url, str(error)) from error


def check_media(url: str, found: str, wanted: str) -> None:
    """Raise ResourceError where an answer that becomes a file is not of the kind it should be."""
    if found != wanted:
        raise other_answer(url, f"{found}, not {wanted}")


def other_answer(url: str, why: str) -> ResourceError:
    """Return what tells that somebody answers who is no controller of this version."""
    said = excerpt(why)
    return ResourceError(
        f"{url} did not answer as this version of the API does: {said}; "
        "check that it is an Isochrone controller of this version.",
        f"{url} 的应答与本版本接口不符：{said}；请确认它是同一版本的 Isochrone 控制器。",
        url=url,
    )


def refusal(url: str, status: int, body: bytes) -> IsochroneError:
    """Return the controller's own reason for a refusal, and what may help."""
    try:
        said = msgspec.json.decode(body, type=ErrorDocument).error.message
    except msgspec.DecodeError:
        said = Text(
            f"HTTP {status}, as no Isochrone controller of this version does.",
            f"HTTP {status}，不像同一版本的 Isochrone 控制器。",
        )
    help_en = " Give a token with --token-file, or use --url unix:/PATH." if status == 401 else ""
    help_zh = "请用 --token-file 提供令牌，或使用 --url unix:/路径。" if status == 401 else ""
    kind = RightsError if status in (401, 403) else ResourceError
    return kind(
        f"The controller at {url} refused: {said.en}{help_en}",
        f"控制器 {url} 拒绝：{said.zh}{help_zh}",
        url=url,
        status=status,
    )


def cut_short(url: str, error: Exception) -> ResourceError:
    """Return what tells that an export ended before it was complete."""
    reason = reason_of(error)
    return ResourceError(
        f"The controller at {url} ended the export before it was complete "
        f"({reason.en}); no file was written. Export again.",
        f"控制器 {url} 的导出中途中断（{reason.zh}）；未写入文件，请重新导出。",
        url=url,
    )
