"""What a report is made of, read from a controller's API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from controller.client.errors import decoded, no_answer, refusal
from controller.client.link import ControllerAddress
from controller.client.pages import all_pages
from controller.documents.baselines import BaselineDocument, BaselinePage
from controller.documents.health import ControllerHealth
from controller.documents.paths import PathDocument, PathPage
from controller.documents.places import AgentDocument, AgentPage, SiteDocument, SitePage
from controller.documents.remediation import RemediationDocument
from controller.documents.targets import GroupDocument, GroupPage, TargetDocument, TargetPage
from controller.documents.verdicts import VerdictDocument, VerdictPage
from controller.live.accounts import AccountDocument
from foundation.errors import ResourceError
from foundation.plain_json import plain_json

T = TypeVar("T")
TIMEOUT_S = 30.0
TOO_MUCH = 413
PAGE_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the controller answered at the end of a campaign."""

    health: ControllerHealth
    sites: tuple[SiteDocument, ...]
    agents: tuple[AgentDocument, ...]
    targets: tuple[TargetDocument, ...]
    paths: tuple[PathDocument, ...]
    verdicts: tuple[VerdictDocument, ...]
    groups: tuple[GroupDocument, ...] = ()
    remediations: dict[str, RemediationDocument] = field(default_factory=dict)  # by target or group
    account: AccountDocument | None = None  # None: too much to count at once


class ApiSource:
    """Reads a controller; an async context manager."""

    def __init__(self, address: ControllerAddress) -> None:
        self.url = address.url
        self._address = address
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiSource:
        self._session = self._address.open_session(TIMEOUT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def health(self) -> ControllerHealth:
        """Return how the controller is. Raises ResourceError where it does not answer."""
        return decoded(self.url, await self._body("/api/v1/health", {}), ControllerHealth)

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
        groups = tuple(await self._all("/api/v1/groups", GroupPage))
        targets = tuple(await self._all("/api/v1/targets", TargetPage))
        remediations: dict[str, RemediationDocument] = {}
        wanted = [("groups", group.name) for group in groups if group.goals]
        wanted += [("targets", t.name) for t in targets if t.goals and t.paths and not t.group]
        for kind, name in wanted:
            body = await self._body(f"/api/v1/{kind}/{name}/remediation", {})
            remediations[name] = decoded(self.url, body, RemediationDocument)
        return Answers(
            groups=groups,
            account=await self._account([t.name for t in targets if t.name in of_targets]),
            remediations=remediations,
            health=await self.health(),
            sites=tuple(await self._all("/api/v1/sites", SitePage)),
            agents=tuple(await self._all("/api/v1/agents", AgentPage)),
            targets=targets,
            paths=tuple(await self._all("/api/v1/paths", PathPage)),
            verdicts=tuple(await self._all("/api/v1/verdicts", VerdictPage)),
        )

    async def _account(self, targets: Sequence[str]) -> AccountDocument | None:
        query = {"targets": ",".join(targets)} if targets else {}
        try:
            body = await self._body("/api/v1/account", query)
        except ResourceError as error:
            if error.fields.get("status") == TOO_MUCH:
                return None
            raise
        return decoded(self.url, body, AccountDocument)

    async def baselines(self) -> list[BaselineDocument]:
        """Return the sealed baselines."""
        return await self._all("/api/v1/baselines", BaselinePage)

    async def seal(self, request: dict[str, Any]) -> BaselineDocument:
        """Seal a baseline. Raises ResourceError with the controller's reason if it refuses."""
        assert self._session is not None
        try:
            async with self._session.post("/api/v1/baselines", json=request) as response:
                body, status = plain_json(await response.read()), response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer(self.url, error) from error
        if status != 200:
            raise refusal(self.url, status, body)
        return decoded(self.url, body, BaselineDocument)

    async def _all(self, route: str, kind: type[Any]) -> list[Any]:
        return await self.items(route, kind, {})

    async def items(self, route: str, kind: type[Any], query: dict[str, str]) -> list[Any]:
        """Return all items of a list, page by page, that `query` asks for."""
        query = query | {"limit": str(PAGE_LIMIT)}

        async def page_after(place: dict[str, str]) -> Any:
            return decoded(self.url, await self._body(route, query | place), kind)

        return await all_pages(self.url, page_after)

    async def _body(self, route: str, query: dict[str, str]) -> bytes:
        assert self._session is not None
        try:
            async with self._session.get(route, params=query) as response:
                body = plain_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer(self.url, error) from error
        if response.status != 200:
            raise refusal(self.url, response.status, body)
        return body
