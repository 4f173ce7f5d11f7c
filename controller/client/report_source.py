"""What a report is made of, read from a controller."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from controller.client.calls import Calls
from controller.documents.health import ControllerHealth
from controller.documents.path_schema import PathPage, VerdictPage
from controller.documents.places import AgentPage, SitePage
from controller.documents.remediation import RemediationDocument
from controller.documents.targets import GroupPage, TargetPage
from controller.live.account_document import AccountDocument
from controller.reports.report import Answers
from foundation.errors import ResourceError

if TYPE_CHECKING:
    from controller.client.link import ControllerAddress

READING_S = 30.0
TOO_MUCH = 413


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
