"""The lab as a client of the controller's API: what everybody can ask, nothing more."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import aiohttp
import msgspec

from controller.client.link import ControllerAddress
from foundation.errors import ResourceError

_TIMEOUT_S = 20.0


class ApiClient:
    """Asks a controller; what cannot be had now is None or empty, not an exception."""

    def __init__(self, url: str) -> None:
        self._address = ControllerAddress(url)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiClient:
        self._session = self._address.open_session(_TIMEOUT_S)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str, /, **query: str) -> Any | None:
        """Return the JSON of a path under /api/v1, None if the controller does not answer."""
        assert self._session is not None
        try:
            async with self._session.get(f"/api/v1/{path}", params=query) as answer:
                if answer.status != 200:
                    return None
                return msgspec.json.decode(await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def items(
        self, path: str, /, *, whole: bool = False, **query: str
    ) -> list[dict[str, Any]]:
        """Return all items of a list, page by page, or those until the controller ends to answer.

        Raises ResourceError there if only the `whole` list will do.
        """
        found: list[dict[str, Any]] = []
        query = {"limit": "10000", **query}
        while (page := await self.get(path, **query)) is not None:
            found += page["items"]
            if page.get("next") is None:
                return found
            query["after"] = page["next"]
        if whole:
            raise ResourceError(
                f"The controller does not give the whole list of {path}; see its log.",
                f"控制器未给出完整的 {path} 列表；请查看其日志。",
            )
        return found

    async def agents_ready(self) -> set[str]:
        """Return the agents that are connected and run the plan they should."""
        return {
            agent["name"]
            for agent in await self.items("agents")
            if agent["state"] == "ok"
            and agent["plan_version"] is not None
            and agent["plan_version"] == agent["wanted_plan_version"]
        }
