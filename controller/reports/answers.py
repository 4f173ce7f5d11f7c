"""What a report is made of, from a snapshot: the API's documents and the account of probes."""

from __future__ import annotations

import asyncio

from controller.documents.health import health_document
from controller.documents.paths import path_documents
from controller.documents.places import agent_document, site_document
from controller.documents.remediation import group_remediation, target_remediation
from controller.documents.targets import group_document, target_document
from controller.documents.verdicts import verdict_document
from controller.fleet.exclusions import Exclusions
from controller.live.account_document import AccountDocument
from controller.live.accounts import Tally
from controller.live.snapshot import Snapshot
from controller.live.warm_start import batches_between
from controller.plans.planner import asked_since
from controller.reports.report import Answers
from controller.store.interface import Store, StoreState


def answers_of(now: Snapshot, store: StoreState, account: AccountDocument | None) -> Answers:
    """Return everything a report on a snapshot needs. Takes its time."""
    scope, states = now.scope, now.agent_states()
    targets = tuple(target_document(now, target) for target in scope.network.targets)
    remediations = {
        group.name: group_remediation(now, group) for group in scope.groups if group.goals
    }
    remediations |= {
        target.name: target_remediation(now, number)
        for number, target in enumerate(targets)
        if target.goals and target.paths and not target.group
    }
    return Answers(
        health=health_document(now, store),
        sites=tuple(site_document(site, states) for site in scope.network.sites.values()),
        agents=tuple(agent_document(now, name, states[name]) for name in now.fleet.names),
        targets=targets,
        paths=tuple(path_documents(now, range(len(scope.catalogue.paths)))),
        verdicts=tuple(verdict_document(now, row) for row in range(len(scope.demands))),
        groups=tuple(group_document(now, group) for group in scope.groups),
        remediations=remediations,
        account=account,
    )


class AccountReader:
    """Counts one period at a time: each is read whole from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading = asyncio.Lock()

    async def tally(self, now: Snapshot) -> Tally:
        """Return what became of the streams of a snapshot in the period that is judged."""
        async with self._reading:
            return await asyncio.to_thread(self._tallied, now)

    def _tallied(self, now: Snapshot) -> Tally:
        from_ns, to_ns, streams = now.round.data_from_ns, now.round.data_to_ns, now.scope.streams
        since_ns = asked_since(self._store, streams, now.plans, from_ns)
        tally = Tally(streams, Exclusions(now.maintenance, now.silences), since_ns=since_ns)
        agents = sorted({stream.path.source.site for stream in streams})
        for batch in batches_between(self._store, agents, from_ns, to_ns):
            tally.add(batch)
        return tally
