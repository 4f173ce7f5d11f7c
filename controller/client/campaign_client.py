"""What the campaign commands request from a controller."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from controller.campaigns.campaign_file import asked_of
from controller.campaigns.request import CampaignLoad
from controller.client.calls import DONE, Calls, decoded, refusal
from controller.documents.campaign_schema import CampaignDocument, CampaignPage
from controller.documents.values import ErrorDocument
from foundation.text import Text
from topology.source_lines import SourceLines
from topology.strict import Problems

if TYPE_CHECKING:
    from controller.campaigns.campaign_file import Campaign
    from controller.client.link import ControllerAddress

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
        async with Calls(self.address, TIMEOUT_S) as calls:
            return await calls.items(ROUTE, CampaignPage)

    async def campaign(self, name: str) -> CampaignDocument:
        """Return one campaign."""
        async with Calls(self.address, TIMEOUT_S) as calls:
            return await calls.document("GET", f"{ROUTE}/{name}", CampaignDocument)

    async def cancel(self, name: str) -> CampaignDocument:
        """Cancel a campaign, or end it now."""
        async with Calls(self.address, TIMEOUT_S) as calls:
            return await calls.document("DELETE", f"{ROUTE}/{name}", CampaignDocument)

    async def report(self, name: str) -> bytes:
        """Return the report of a campaign."""
        async with Calls(self.address, TIMEOUT_S) as calls:
            return await calls.body("GET", f"{ROUTE}/{name}/report", media="text/html")

    async def _asked(
        self,
        method: str,
        route: str,
        kind: type[Answer],
        wanted: Campaign,
        file: pathlib.Path,
    ) -> Answer:
        async with Calls(self.address, TIMEOUT_S) as calls:
            request = msgspec.to_builtins(asked_of(wanted))
            status, body = await calls.answer(method, route, json=request)
        if status == 422:
            _problems_of(body, file).raise_if_any()
        if status not in DONE:
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
