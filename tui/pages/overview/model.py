"""The overview: one row per target with its counts, its rate and its goals."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tui import documents as doc
from tui.figures import ABSENT, delay, fit, measure, ratio
from tui.fleet import Fleet
from tui.palette import BADNESS, VERDICTS, sign
from tui.rows import Column, Spans, plain
from tui.rules import DECLARED_KINDS, KINDS, limit, long_rule, short_rule
from tui.words import Words

COLUMNS = (
    Column(key="title", title="Target", width=18, stretch=8, most=46),
    Column(key="kind", title="Kind", width=9, rank=6, stretch=1, most=14),
    Column(key="rule", title="Limit", width=14, stretch=2, most=19),
    Column(key="pass", title="✓", width=4, align="right"),
    Column(key="fail", title="✗", width=4, align="right"),
    Column(key="undecided", title="?", width=4, align="right"),
    Column(key="impossible", title="⊘", width=4, align="right", rank=1),
    Column(key="no_data", title="·", width=4, align="right"),
    Column(key="rate", title="Rate", width=7, align="right"),
    Column(key="bar", title="0 – 100%", width=10, stretch=2, most=34, rank=1),
    Column(key="range", title="Range", width=16, rank=3, stretch=1, most=18),
    Column(key="goals", title="Goals", width=26, rank=2, stretch=1, most=40),
)


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target as a table row."""

    target: doc.Target

    @property
    def key(self) -> str:
        """The target's name."""
        return self.target.name


def rows(fleet: Fleet) -> tuple[TargetRow, ...]:
    """Return one row per group and target: groups, then measured targets, then declared ones."""
    ordered = sorted(fleet.targets, key=lambda target: target.kind in DECLARED_KINDS)
    return tuple(TargetRow(target) for target in (*map(as_target, fleet.groups), *ordered))


RATE_OF_PATHS = (
    "{passed} of {decided} decided paths pass: {rate}; between {low} and {high}"
    " if undecided and unmeasured paths count as failed or passed."
)
RATE_OF_PAIRS = (
    "{passed} of {decided} decided pairs pass: {rate}; between {low} and {high}"
    " if undecided and unmeasured pairs count as failed or passed."
)
GROUP = "group:"  # before the name of a row that is a group


def as_target(group: doc.Group) -> doc.Target:
    """Return a group as a row beside the targets; its counts are of pairs."""
    return doc.Target(
        name=f"{GROUP}{group.name}",
        title=group.title,
        source=group.source,
        kind="group",
        goals=group.goals,
        counts=group.counts,
        paths=group.paths,
        compliance=group.compliance,
        goal_verdict=group.goal_verdict,
    )


def cell(row: TargetRow, column: str, width: int, words: Words) -> Spans:
    """Return what `column` of `row` says, for a cell `width` wide."""
    target = row.target
    declared = target.kind in DECLARED_KINDS
    if column == "title":
        mark = ((f"{words('declared')} ", "dim"),) if declared else ()
        return (*mark, (target.title.pick(words.language) or target.name, "strong"))
    if column == "kind":
        return plain(words(_kind_word(target)), "dim")
    if column == "rule":
        return plain(short_rule(target), "dim" if declared else "plain")
    if column in VERDICTS:
        return plain(ABSENT, "dim") if declared else _counted(target.counts, column)
    if column == "goals":
        return goals(target)
    if declared:
        return plain(declared_span(target) if column == "bar" else ABSENT, "dim")
    compliance = target.compliance
    if column == "rate":
        share = compliance.ratio if compliance else None
        return plain(ratio(share, 1), "dim" if share is None else "strong")
    if column == "range":
        if compliance is None or compliance.low is None or compliance.high is None:
            return plain(ABSENT, "dim")
        return plain(f"{compliance.low * 100:.1f} … {compliance.high * 100:.1f}%")
    return bar(compliance, sorted(target.goals.values()), width)


def bar(compliance: doc.Compliance | None, goal_shares: list[float], width: int) -> Spans:
    """Return the rate as a bar: sure part, uncertain part, rest, with a mark at each goal.

    ``▇`` is passed whatever the undecided turn out to be (up to `low`), ``▒`` may pass (to `high`),
    ``░`` cannot. A goal stands as ``┃`` on its cell.
    """
    if compliance is None or compliance.low is None or compliance.high is None or width <= 0:
        return plain("┄" * max(width, 0), "dim")
    low_end = math.floor(compliance.low * width + 1e-9)
    high_end = math.ceil(compliance.high * width - 1e-9)
    marks = {min(width - 1, int(share * width)) for share in goal_shares}
    spans: list[tuple[str, str]] = []
    for index in range(width):
        symbol, tone = ("▇", "good") if index < low_end else ("▒", "doubt")
        if index >= high_end:
            symbol, tone = "░", "bad"
        if index in marks:
            symbol, tone = "┃", "strong"
        if spans and spans[-1][1] == tone:
            spans[-1] = (spans[-1][0] + symbol, tone)
        else:
            spans.append((symbol, tone))
    return tuple(spans)


def goals(target: doc.Target) -> Spans:
    """Return each goal with its verdict: ``2025 ≥ 85 % ✓``."""
    if not target.goals:
        return plain(ABSENT, "dim")
    spans: list[tuple[str, str]] = []
    for year, share in sorted(target.goals.items()):
        look = sign(target.goal_verdict.get(year))
        if spans:
            spans.append(("  ", "plain"))
        spans += [(f"{year} ≥{share * 100:g}% ", "plain"), (look.symbol, look.tone)]
    return tuple(spans)


def declared_span(target: doc.Target) -> str:
    """Return the range of declared figures, or a dash where nothing is declared."""
    values = [entry.value for entry in target.declared if entry.value is not None]
    if not values:
        return ABSENT
    if target.kind == "one_hop" or all(isinstance(value, bool) for value in values):
        return f"{sum(bool(value) for value in values)} / {len(values)}"
    unit = next((entry.unit for entry in target.declared if entry.unit), "") or ""
    low, high = min(values), max(values)
    span = f"{low:g}" if low == high else f"{low:g} … {high:g}"
    return f"{span} {unit}".strip()


def detail(fleet: Fleet, target: doc.Target, words: Words) -> list[Spans]:
    """Return the lines under the table for the target that the cursor is on."""
    lines: list[Spans] = [plain(target.title.pick(words.language) or target.name, "head")]
    lines.append(plain(long_rule(target, words)))
    source = _source(target, words)
    if source:
        lines.append(((words("Source: "), "dim"), (source, "plain")))
    if target.kind in DECLARED_KINDS:
        lines += [_declared_line(fleet, entry, words) for entry in target.declared]
        return lines
    warned = [w for w in fleet.health.warnings if f"`{target.name}`" in w.pick("en")]
    lines += [plain(f"▲ {warning.pick(words.language)}", "doubt") for warning in warned]
    compliance = target.compliance
    if warned:
        pass
    elif compliance is None or compliance.ratio is None:
        lines.append(plain(words("No path is decided yet, so there is no rate."), "doubt"))
    else:
        lines.append(
            plain(
                words(
                    RATE_OF_PAIRS if target.kind == "group" else RATE_OF_PATHS,
                    passed=compliance.passed,
                    decided=compliance.decided,
                    rate=ratio(compliance.ratio, 1),
                    low=ratio(compliance.low, 1),
                    high=ratio(compliance.high, 1),
                )
            )
        )
    for year, share in sorted(target.goals.items()):
        look = sign(target.goal_verdict.get(year))
        lines.append(
            (
                (words("Goal {year}: at least {share}", year=year, share=f"{share:.0%}"), "plain"),
                (f"  {look.symbol} {words(look.word)}", look.tone),
            )
        )
    return lines


def to_fix(fleet: Fleet, target: doc.Target, words: Words, most: int) -> list[Spans]:
    """Return the worst paths of a target: failing ones first, then the undecided."""
    bad = [
        verdict
        for verdict in fleet.verdicts
        if verdict.target == target.name and verdict.verdict in ("fail", "undecided", "impossible")
    ]
    bad.sort(key=lambda verdict: (BADNESS.get(verdict.verdict, 9), -(verdict.measured or 0)))
    if not bad:
        return []
    lines: list[Spans] = [plain(words("Paths to look at"), "head")]
    for verdict in bad[: max(0, most - 1)]:
        look = sign(verdict.verdict)
        ends = (
            f"{fleet.site_title(verdict.source_site, words.language)} → "
            f"{fleet.site_title(verdict.destination_site, words.language)}"
        )
        carriers = f"{verdict.source_carrier}→{verdict.destination_carrier}"
        value = measure(verdict.measured, verdict.unit)
        lines.append(
            (
                (f"{look.symbol} ", look.tone),
                (fit(ends, 38), "plain"),
                (fit(f" {carriers}", 20), "dim"),
                (f"{value:>9}", look.tone),
                (f"  {limit(target)}", "dim"),
                (
                    f"  {delay(verdict.floor_ns)} ⌊c⌋" if verdict.verdict == "impossible" else "",
                    "dim",
                ),
            )
        )
    return lines


def _kind_word(target: doc.Target) -> str:
    return KINDS.get(target.kind, target.kind)


def _counted(counts: doc.Counts, verdict: str) -> Spans:
    value = {"pass": counts.passed, "fail": counts.failed}.get(verdict)
    if value is None:
        value = getattr(counts, verdict)
    return plain(str(value), sign(verdict).tone if value else "dim")


def _source(target: doc.Target, words: Words) -> str:
    source = target.source
    if source is None:
        return ""
    parts = [source.document.pick(words.language) if source.document else ""]
    parts.append(source.issuer.pick(words.language) if source.issuer else "")
    parts.append(str(source.year) if source.year else "")
    parts.append(source.clause.pick(words.language) if source.clause else "")
    return " · ".join(part for part in parts if part)


def _declared_line(fleet: Fleet, entry: doc.Declared, words: Words) -> Spans:
    value = entry.value
    if value is None:
        said = ABSENT
    elif isinstance(value, bool):
        said = words("yes") if value else words("no")
    else:
        said = f"{value:g} {entry.unit or ''}".strip()
    site = fleet.site_title(entry.site, words.language)
    if entry.other_site is not None:
        site = f"{site} — {fleet.site_title(entry.other_site, words.language)}"
    return ((f"{site}  ", "plain"), (said, "strong"), (f"  {words('declared')}", "dim"))
