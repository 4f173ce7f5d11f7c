"""What a report is made of, from a snapshot: the documents that the API gives of it."""

from __future__ import annotations

from controller.documents.health import health_document
from controller.documents.paths import path_documents
from controller.documents.places import agent_document, site_document
from controller.documents.remediation import group_remediation, target_remediation
from controller.documents.targets import group_document, target_document
from controller.documents.verdicts import verdict_document
from controller.live.accounts import AccountDocument
from controller.live.snapshot import Snapshot
from controller.reports.report import Answers
from controller.store.interface import StoreState


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
