"""What a report says, assembled from the API's documents. Pure: documents in, a Report out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.errors import ConfigError
from foundation.text import Text
from topology.model import VerdictName
from topology.strict import suggestion

if TYPE_CHECKING:
    from controller.campaigns.campaign_file import Campaign
    from controller.documents.health import ControllerHealth
    from controller.documents.path_schema import PathDocument, VerdictDocument
    from controller.documents.places import AgentDocument, SiteDocument
    from controller.documents.remediation import RemediationDocument
    from controller.documents.targets import GroupDocument, TargetDocument
    from controller.live.account_document import AccountDocument

# What a reader must see first stands first.
URGENCY: tuple[VerdictName, ...] = ("fail", "undecided", "no_data", "impossible", "pass")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One row of the indicator table with its paths, most urgent first.

    measured, low, high: the share of paths that keep the target, NaN where there is none.
    worst: the path whose figure is furthest beyond (or nearest below) its limit.
    """

    target: TargetDocument
    title: Text
    counts: dict[VerdictName, int]
    goals: dict[str, tuple[float, str]]
    verdict: VerdictName
    measured: float
    low: float
    high: float
    worst: VerdictDocument | None
    verdicts: tuple[VerdictDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The worst verdict from one site to another, over `paths` judged demands."""

    verdict: VerdictName
    paths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything the page shows. Times are wall-clock nanoseconds since 1970.

    `data_from_ns` to `data_to_ns` is when what is judged was measured; `account` reports every
    probe that was due (None: too many to count), `sent` and `lost` of those that are judged.
    """

    campaign: Campaign
    controller: str | None
    started_ns: int
    ended_ns: int
    data_from_ns: int | None
    data_to_ns: int | None
    account: AccountDocument | None
    version: str
    indicators: tuple[Indicator, ...]
    groups: tuple[GroupDocument, ...]
    remediations: tuple[tuple[Text, RemediationDocument], ...]
    declared: tuple[TargetDocument, ...]
    matrix_sites: tuple[SiteDocument, ...]
    cells: dict[tuple[str, str], Cell]
    sites: dict[str, SiteDocument]
    paths: tuple[PathDocument, ...]
    agents: tuple[AgentDocument, ...]
    type_ps: tuple[str, ...]
    sent: int
    lost: int
    timestamping: tuple[str, ...]
    warnings: tuple[Text, ...]


def assemble(
    campaign: Campaign, answers: Answers, started_ns: int, ended_ns: int, controller: str | None
) -> Report:
    """Return the report of a campaign. Raises ConfigError where it names an unknown target."""
    targets = _chosen(campaign, answers.targets)
    names = {target.name for target in targets}
    verdicts = [v for v in answers.verdicts if v.target in names and not v.maintenance]
    judged = {verdict.path for verdict in verdicts}
    paths = tuple(path for path in answers.paths if path.id in judged)
    figures = [figure for path in paths for figure in path.figures.values()]
    cells = _cells(verdicts)
    placed = {name for pair in cells for name in pair}
    groups = tuple(group for group in answers.groups if names >= set(group.targets))
    health, account = answers.health, answers.account
    return Report(
        campaign=campaign,
        controller=controller,
        started_ns=started_ns,
        ended_ns=ended_ns,
        data_from_ns=health.data_from_ns,
        data_to_ns=health.data_to_ns,
        account=account,
        version=health.version,
        indicators=tuple(
            _indicator(target, [v for v in verdicts if v.target == target.name])
            for target in targets
            if target.kind not in ("inventory", "one_hop")
        ),
        groups=groups,
        remediations=_remediations(groups, targets, answers.remediations),
        declared=tuple(t for t in targets if t.kind in ("inventory", "one_hop")),
        matrix_sites=tuple(site for site in answers.sites if site.name in placed),
        cells=cells,
        sites={site.name: site for site in answers.sites},
        paths=paths,
        agents=tuple(a for a in answers.agents if a.health is not None or a.windows_stored),
        type_ps=tuple(sorted({stream.type_p for path in paths for stream in path.streams})),
        sent=sum(f.sent for f in figures) if account is None else account.judged,
        lost=sum(f.lost for f in figures) if account is None else account.lost,
        timestamping=tuple(sorted({f.timestamping for f in figures if f.received})),
        warnings=tuple(health.warnings),
    )


def _remediations(
    groups: Sequence[GroupDocument],
    targets: Sequence[TargetDocument],
    remediations: Mapping[str, RemediationDocument],
) -> tuple[tuple[Text, RemediationDocument], ...]:
    """Return what to fix where a goal is not reached, with the title of whose goal it is."""
    titles = {group.name: group.title for group in groups}
    titles |= {target.name: target.title for target in targets}
    return tuple(
        (titles[name], remediation)
        for name, remediation in remediations.items()
        if name in titles and remediation.needed
    )


def _chosen(campaign: Campaign, targets: Sequence[TargetDocument]) -> list[TargetDocument]:
    known = {target.name: target for target in targets}
    for name in campaign.targets:
        if name not in known:
            hint = suggestion(name, known)
            raise ConfigError(
                f"The campaign names the target `{name}`, which this network does not "
                f"have{hint.en}.",
                f"专项测量指定了指标 `{name}`，但该网络没有这个指标{hint.zh}。",
                target=name,
            )
    return [known[name] for name in campaign.targets] if campaign.targets else list(targets)


def _indicator(target: TargetDocument, verdicts: list[VerdictDocument]) -> Indicator:
    counts = dict.fromkeys(URGENCY, 0)
    for verdict in verdicts:
        counts[verdict.verdict] += 1
    ordered = sorted(verdicts, key=lambda v: (URGENCY.index(v.verdict), -excess(v), v.path))
    figures = [verdict for verdict in ordered if verdict.measured is not None]
    share = target.compliance
    return Indicator(
        target=target,
        title=target.title,
        counts=counts,
        goals={
            year: (goal, target.goal_verdict.get(year, "no_data"))
            for year, goal in sorted(target.goals.items())
        },
        verdict=_verdict_of(counts),
        measured=_number(None if share is None else share.ratio),
        low=_number(None if share is None else share.low),
        high=_number(None if share is None else share.high),
        worst=max(figures, key=excess, default=None),
        verdicts=tuple(ordered),
    )


def _verdict_of(counts: dict[VerdictName, int]) -> VerdictName:
    """Return the verdict of all paths together: the most urgent one, pass only if all pass."""
    if counts["fail"]:
        return "fail"
    if not any(counts.values()) or counts["no_data"] == sum(counts.values()):
        return "no_data"
    if counts["undecided"] or counts["no_data"]:
        return "undecided"
    return "impossible" if counts["impossible"] else "pass"


def excess(verdict: VerdictDocument) -> float:
    """Return measured over limit; 0 where one of them is absent."""
    limit = limit_of(verdict)
    if verdict.measured is None or not limit:
        return 0.0
    return verdict.measured / limit


def limit_of(verdict: VerdictDocument) -> float | None:
    """Return the limit in the verdict's own unit."""
    return verdict.limit_ns if verdict.unit == "ns" else verdict.limit_ratio


def _cells(verdicts: Sequence[VerdictDocument]) -> dict[tuple[str, str], Cell]:
    cells: dict[tuple[str, str], Cell] = {}
    for verdict in verdicts:
        pair = (verdict.source_site, verdict.destination_site)
        before = cells.get(pair)
        worst = verdict.verdict
        if before is not None and URGENCY.index(before.verdict) < URGENCY.index(worst):
            worst = before.verdict
        cells[pair] = Cell(verdict=worst, paths=1 if before is None else before.paths + 1)
    return cells


def _number(value: float | None) -> float:
    return math.nan if value is None else value
