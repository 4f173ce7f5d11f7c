"""What the campaign commands ask a controller, and how a refusal becomes lines of their file."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any, TypeVar

import aiohttp
import msgspec

from controller.campaigns.campaign_file import Campaign, asked_of
from controller.campaigns.request import CampaignLoad
from controller.client.errors import check_media, decoded, no_answer, refusal
from controller.client.link import ControllerAddress
from controller.client.pages import all_pages
from controller.documents.campaigns import CampaignDocument, CampaignPage
from controller.documents.errors import ErrorDocument
from foundation.plain_json import plain_json
from foundation.text import Text
from topology.source_lines import SourceLines
from topology.strict import Problems

ROUTE = "/api/v1/campaigns"
LOAD_ROUTE = "/api/v1/campaign-load"
TIMEOUT_S = 60.0

Answer = TypeVar("Answer")


class _Fault(msgspec.Struct, frozen=True):
    """One of the `problems` of a refusal."""

    key: tuple[str | int, ...]
    message: Text


class CampaignClient:
    """Asks one controller. Raises ResourceError or RightsError with the controller's reason."""

    def __init__(self, address: ControllerAddress) -> None:
        self.address = address

    async def load(self, wanted: Campaign, file: pathlib.Path) -> CampaignLoad:
        """Return what a campaign would send. ConfigError with the lines that are refused."""
        return await self._asked("POST", LOAD_ROUTE, CampaignLoad, wanted, file)

    async def create(self, wanted: Campaign, file: pathlib.Path) -> CampaignDocument:
        """Create a campaign. ConfigError with the lines that are refused."""
        return await self._asked("POST", ROUTE, CampaignDocument, wanted, file)

    async def campaigns(self) -> list[CampaignDocument]:
        """Return every campaign, oldest first."""

        async def page_after(place: dict[str, str]) -> CampaignPage:
            return self._decoded(*await self._call("GET", ROUTE, query=place), CampaignPage)

        return await all_pages(self.address.url, page_after)

    async def campaign(self, name: str) -> CampaignDocument:
        """Return one campaign."""
        return self._decoded(*await self._call("GET", f"{ROUTE}/{name}"), CampaignDocument)

    async def cancel(self, name: str) -> CampaignDocument:
        """Cancel a campaign, or end it now."""
        return self._decoded(*await self._call("DELETE", f"{ROUTE}/{name}"), CampaignDocument)

    async def report(self, name: str) -> bytes:
        """Return the report of a campaign."""
        status, body = await self._call("GET", f"{ROUTE}/{name}/report", media="text/html")
        if status != 200:
            raise refusal(self.address.url, status, body)
        return body

    async def _asked(
        self,
        method: str,
        route: str,
        kind: type[Answer],
        wanted: Campaign,
        file: pathlib.Path,
    ) -> Answer:
        status, body = await self._call(method, route, json=msgspec.to_builtins(asked_of(wanted)))
        if status == 422:
            _problems_of(body, file).raise_if_any()
        return self._decoded(status, body, kind)

    async def _call(
        self,
        method: str,
        route: str,
        *,
        json: Any = None,
        query: dict[str, str] | None = None,
        media: str | None = None,
    ) -> tuple[int, bytes]:
        try:
            async with (
                self.address.open_session(TIMEOUT_S) as session,
                session.request(method, route, json=json, params=query) as answer,
            ):
                if media is not None and answer.status == 200:
                    check_media(self.address.url, answer.content_type, media)
                return answer.status, plain_json(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer(self.address.url, error) from error

    def _decoded(self, status: int, body: bytes, kind: type[Answer]) -> Answer:
        if status not in (200, 201):
            raise refusal(self.address.url, status, body)
        return decoded(self.address.url, body, kind)


def _problems_of(body: bytes, file: pathlib.Path) -> Problems:
    """Return a refusal's problems by the lines of the file; none where it names no keys."""
    problems = Problems(file, SourceLines(file.read_text(encoding="utf-8-sig")))
    fields = msgspec.json.decode(body, type=ErrorDocument).error.fields
    found: Sequence[_Fault] = msgspec.convert(fields.get("problems", []), list[_Fault])
    for fault in found:
        problems.add(fault.key, fault.message.en, fault.message.zh)
    return problems
