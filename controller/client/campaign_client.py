"""What the campaign commands ask a controller: their campaigns, and what a report is made of."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from controller.campaigns.campaign_file import asked_of
from controller.campaigns.request import CampaignLoad
from controller.client.calls import DONE, Calls, decoded, refusal
from controller.documents.campaigns import CampaignDocument, CampaignPage
from controller.documents.health import ControllerHealth
from controller.documents.path_schema import PathPage, VerdictPage
from controller.documents.places import AgentPage, SitePage
from controller.documents.remediation import RemediationDocument
from controller.documents.targets import GroupPage, TargetPage
from controller.documents.values import ErrorDocument
from controller.live.accounts import AccountDocument
from controller.reports.report import Answers
from foundation.errors import ResourceError
from foundation.text import Text
from topology.source_lines import SourceLines
from topology.strict import Problems

if TYPE_CHECKING:
    from controller.campaigns.campaign_file import Campaign
    from controller.client.link import ControllerAddress

ROUTE = "/api/v1/campaigns"
LOAD_ROUTE = "/api/v1/campaign-load"
TIMEOUT_S = 60.0
READING_S = 30.0
TOO_MUCH = 413

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


class ApiSource(Calls):
    """Reads a controller; an async context manager."""

    def __init__(self, address: ControllerAddress) -> None:
        super().__init__(address, READING_S)

    async def __aenter__(self) -> ApiSource:
        await super().__aenter__()
        return self

    async def health(self) -> ControllerHealth:
        """Return how the controller is. Raises ResourceError where it does not answer."""
        return await self.document("GET", "/api/v1/health", ControllerHealth)

    async def wait_judged_after(self, time_ns: int, patience_s: float) -> ControllerHealth:
        """Return the health once verdicts are newer than `time_ns`, or when patience is over.

        Two rounds are waited for: a change is shown only when the second one confirms it.
        """
        confirmed: int | None = None
        for _ in range(max(1, round(patience_s))):
            health = await self.health()
            if health.judged_ns is not None and health.judged_ns >= time_ns:
                confirmed = health.revision + 1 if confirmed is None else confirmed
                if health.revision >= confirmed:
                    return health
            await asyncio.sleep(1.0)
        return await self.health()

    async def answers(self, of_targets: Sequence[str] = ()) -> Answers:
        """Return everything a report on some targets needs, on all where none is named."""
        groups = tuple(await self.items("/api/v1/groups", GroupPage))
        targets = tuple(await self.items("/api/v1/targets", TargetPage))
        remediations: dict[str, RemediationDocument] = {}
        wanted = [("groups", group.name) for group in groups if group.goals]
        wanted += [("targets", t.name) for t in targets if t.goals and t.paths and not t.group]
        for kind, name in wanted:
            route = f"/api/v1/{kind}/{name}/remediation"
            remediations[name] = await self.document("GET", route, RemediationDocument)
        return Answers(
            groups=groups,
            account=await self._account([t.name for t in targets if t.name in of_targets]),
            remediations=remediations,
            health=await self.health(),
            sites=tuple(await self.items("/api/v1/sites", SitePage)),
            agents=tuple(await self.items("/api/v1/agents", AgentPage)),
            targets=targets,
            paths=tuple(await self.items("/api/v1/paths", PathPage)),
            verdicts=tuple(await self.items("/api/v1/verdicts", VerdictPage)),
        )

    async def _account(self, targets: Sequence[str]) -> AccountDocument | None:
        query = {"targets": ",".join(targets)} if targets else {}
        try:
            return await self.document("GET", "/api/v1/account", AccountDocument, query=query)
        except ResourceError as error:
            if error.fields.get("status") == TOO_MUCH:
                return None
            raise
