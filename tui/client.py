"""The controller's HTTP API as this terminal uses it; the only module that opens a socket."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tui import documents as doc
from tui.access import Access
from tui.certificates import fault_of
from tui.errors import AnswerError, UnreachableError, UsageError
from tui.plain import plain_json

T = TypeVar("T")

ANSWER_TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
HEARTBEAT_S = 20.0
MOST_PAGES = 1_000
PAGE_ITEMS = 10_000


def split_url(url: str) -> tuple[str, str | None]:
    """Return (base URL, Unix socket path or None) of `url`; UsageError names what is wrong."""
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        path = "/" + path.lstrip("/") if path.startswith("//") else path
        if path.strip("/"):
            return "http://controller", path
    else:
        try:
            parts = urlsplit(url)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number
            fine = False
        if fine:
            return url.rstrip("/"), None
    raise UsageError(
        f"{url!r} is not the address of a controller; write https://HOST:PORT or unix:/PATH.",
        f"{url!r} 不是有效的控制器地址；请写成 https://主机:端口 或 unix:/路径。",
    )


class _RedirectedError(aiohttp.ClientError):
    """Somebody answered with a redirect: no controller does, and our token goes nowhere else."""


async def _follow_no_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    answer = await handler(request)
    if answer.status in (300, 301, 302, 303, 305, 307, 308):
        answer.close()
        raise _RedirectedError(answer.headers.get("Location", "")[:200])
    return answer


class Client:
    """An open connection to one controller. Use as ``async with Client(url) as client``."""

    def __init__(self, url: str, access: Access | None = None) -> None:
        self.url = url
        self._access = access or Access()
        self._base, self._socket = split_url(url)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = self._access.headers(self.url)
        connector: aiohttp.BaseConnector
        if self._socket:
            connector = aiohttp.UnixConnector(path=self._socket)
        elif self.url.startswith("https://"):
            connector = aiohttp.TCPConnector(ssl=self._access.context())
        else:
            connector = aiohttp.TCPConnector()
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            middlewares=(_follow_no_redirect,),
            timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get_health(self) -> doc.Health:
        """State of the controller."""
        return await self._get("health", doc.Health)

    async def get_sites(self) -> list[doc.Site]:
        """All sites."""
        return await self._get_all("sites", doc.Site)

    async def get_agents(self) -> list[doc.Agent]:
        """All agents."""
        return await self._get_all("agents", doc.Agent)

    async def get_targets(self) -> list[doc.Target]:
        """All targets with counts and compliance."""
        return await self._get_all("targets", doc.Target)

    async def get_groups(self) -> list[doc.Group]:
        """All groups of targets; none from a controller that does not know them yet."""
        try:
            return await self._get_all("groups", doc.Group)
        except AnswerError:
            return []

    async def get_remediation(self, name: str, *, group: bool) -> doc.Remediation:
        """What to fix for a target or a group."""
        return await self._get(
            f"{'groups' if group else 'targets'}/{name}/remediation", doc.Remediation
        )

    async def get_ring(self, target: str) -> doc.Ring | None:
        """Which sites could ever be inside the ring; None for a target that draws none."""
        try:
            return await self._get(f"targets/{target}/ring", doc.Ring)
        except AnswerError:
            return None

    async def get_paths(self) -> list[doc.Path]:
        """All paths with their latest figures."""
        return await self._get_all("paths", doc.Path)

    async def get_verdicts(self) -> list[doc.Verdict]:
        """The latest verdict of every demand."""
        return await self._get_all("verdicts", doc.Verdict)

    async def get_windows(
        self, path: str, protocol: str | None, from_ns: int, to_ns: int
    ) -> list[doc.Window]:
        """Windows of one path that start in [from_ns, to_ns)."""
        query = {"path": path, "from_ns": str(from_ns), "to_ns": str(to_ns)}
        if protocol:
            query["protocol"] = protocol
        return await self._get_all("windows", doc.Window, query)

    async def events(self) -> AsyncIterator[doc.Event]:
        """Yield events until the connection ends; UnreachableError if it cannot be had."""
        try:
            async with self._opened().ws_connect(
                f"{self._base}/api/v1/events", heartbeat=HEARTBEAT_S
            ) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        try:
                            yield msgspec.json.decode(
                                plain_json(message.data.encode()), type=doc.Event
                            )
                        except (msgspec.DecodeError, msgspec.ValidationError):
                            continue  # a kind of event that this version does not know
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _opened(self) -> aiohttp.ClientSession:
        assert self._session is not None, "use `async with Client(url)`"
        return self._session

    def _unreachable(self, error: Exception) -> UnreachableError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            fault, fault_zh = fault_of(error.certificate_error)
            return UnreachableError(
                f"The certificate of {self.url} {fault}.", f"{self.url} 的证书{fault_zh}。"
            )
        why, why_zh = _why(error)
        return UnreachableError(
            f"The controller at {self.url} does not answer ({why});"
            " start it with `isochrone controller run`, or name another with --url.",
            f"控制器 {self.url} 无应答（{why_zh}）；"
            "请用 `isochrone controller run` 启动控制器，或用 --url 指定其他地址。",
        )

    async def _get(self, route: str, kind: type[T], query: dict[str, str] | None = None) -> T:
        try:
            async with self._opened().get(f"{self._base}/api/v1/{route}", params=query) as answer:
                body = plain_json(await answer.read())
                status = answer.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error
        if status != 200:
            raise _refusal(self.url, route, status, body)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise AnswerError(
                f"{self.url} does not answer like an Isochrone controller ({route}: {error});"
                " check the address and the versions.",
                f"{self.url} 的应答不符合 Isochrone 控制器接口（{route}：{error}）；"
                "请检查地址与版本。",
            ) from error

    async def _get_all(
        self, route: str, kind: type[T], query: dict[str, str] | None = None
    ) -> list[T]:
        """Follow `next` to the end of a list. AnswerError where it leads round in a circle."""
        items: list[T] = []
        seen = set[str]()
        query = {**(query or {}), "limit": str(PAGE_ITEMS)}
        listing = doc.Listing[kind]  # type: ignore[valid-type]  # built at run time for msgspec
        while True:
            page: doc.Listing[T] = await self._get(route, listing, query)
            items.extend(page.items)
            if not page.next:
                return items
            if page.next in seen or len(seen) == MOST_PAGES:
                raise AnswerError(
                    f"{self.url} returns an endless list ({route}); is it an Isochrone"
                    " controller? Check the address.",
                    f"{self.url} 返回了没有尽头的列表（{route}）；它是 Isochrone 控制器吗？"
                    "请检查地址。",
                )
            seen.add(page.next)
            query["after"] = page.next


class _ErrorBody(msgspec.Struct):
    message: doc.Title = doc.Title()


class _ErrorDocument(msgspec.Struct):
    error: _ErrorBody


def _refusal(url: str, route: str, status: int, body: bytes) -> AnswerError:
    try:
        said = msgspec.json.decode(body, type=_ErrorDocument).error.message
    except (msgspec.DecodeError, msgspec.ValidationError):
        said = doc.Title()
    help_en = " Give a token with --token-file, or use --url unix:/PATH." if status == 401 else ""
    help_zh = "请用 --token-file 提供令牌，或使用 --url unix:/路径。" if status == 401 else ""
    return AnswerError(
        f"The controller at {url} refused {route} (HTTP {status}): "
        f"{said.pick('en') or 'no reason given'}{help_en}",
        f"控制器 {url} 拒绝了 {route} 请求（HTTP {status}）："
        f"{said.pick('zh') or '未说明原因'}{help_zh}",
    )


_REASONS_ZH = {
    errno.ECONNREFUSED: "连接被拒绝",
    errno.ENOENT: "套接字文件不存在",
    errno.EACCES: "权限不足",
    errno.ETIMEDOUT: "连接超时",
    errno.EHOSTUNREACH: "主机不可达",
    errno.ENETUNREACH: "网络不可达",
}


def _why(error: Exception) -> tuple[str, str]:
    """Return why there is no connection, in English and Chinese, without aiohttp's inner words."""
    if isinstance(error, _RedirectedError):
        return (
            f"it answers with a redirect to {str(error)!r}, which is not followed",
            f"其应答为指向 {str(error)!r} 的重定向，不予跟随",
        )
    number: int = getattr(error, "errno", None) or 0
    if isinstance(error, aiohttp.ClientSSLError) or number not in errno.errorcode:
        words = str(error) or type(error).__name__
        return words, words
    words = os.strerror(number)
    return words, _REASONS_ZH.get(number, words)
