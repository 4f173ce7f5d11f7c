"""The page of one target or group: its rate, what to fix, who could be inside, paths by verdict."""

from __future__ import annotations

from tui import documents as doc
from tui.figures import ABSENT, interval, kilometres, measure, ratio
from tui.fleet import Fleet
from tui.pages.overview import model as overview
from tui.pages.overview.model import GROUP
from tui.palette import BADNESS, sign
from tui.rows import Spans, plain
from tui.words import Words

ACTIONS = {"fix": "fix", "measure": "measure"}


def target_of(fleet: Fleet, name: str) -> doc.Target | None:
    """Return the target, or the group as one, that a row of the overview names."""
    if not name.startswith(GROUP):
        return fleet.target_by_name.get(name)
    found = (group for group in fleet.groups if group.name == name.removeprefix(GROUP))
    return next((overview.as_target(group) for group in found), None)


def members_of(fleet: Fleet, name: str) -> tuple[str, ...]:
    """Return the targets that stand behind a row of the overview."""
    if not name.startswith(GROUP):
        return (name,)
    groups = {group.name: group for group in fleet.groups}
    group = groups.get(name.removeprefix(GROUP))
    return tuple(group.targets) if group else ()


def common_stem(names: tuple[str, ...]) -> str:
    """Return the beginning that all names share, by which a filter finds them all."""
    first, last = min(names, default=""), max(names, default="")
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first if length is None else first[:length]


def remediation_lines(
    fleet: Fleet, remediation: doc.Remediation | None, words: Words
) -> list[Spans]:
    """Return what to fix, with the sites and carriers that most of it has to do with."""
    lines: list[Spans] = [plain(words("What to fix"), "head")]
    if remediation is None:
        return [*lines, plain(words("Reading …"), "dim")]
    unit = words("pairs") if remediation.of == "pairs" else words("paths")
    goal = (
        f"{remediation.year} ≥{remediation.goal:.0%}"
        if remediation.year
        else f"≥{remediation.goal:.0%}"
    )
    if remediation.needed == 0:
        return [*lines, plain(words("The goal {goal} is reached.", goal=goal), "good")]
    said = words(
        "{passed} of {total} {unit} pass; {needed} more are needed for {goal}.",
        passed=remediation.passed,
        total=remediation.total,
        unit=unit,
        needed=remediation.needed,
        goal=goal,
    )
    lines.append(plain(said, "doubt"))
    if not remediation.reachable:
        best = ratio(remediation.best_ratio, 1)
        lines.append(plain(words("Out of reach: {best} at best.", best=best), "bad"))
    sides = ((remediation.by_site, words("By site")), (remediation.by_carrier, words("By carrier")))
    for shares, title in sides:
        shown = "  ".join(f"{share.name} {share.paths}" for share in shares[:6])
        lines.append(((f"{title}  ", "dim"), (shown or ABSENT, "plain")))
    lines += [_remediation_line(fleet, path, words) for path in remediation.paths]
    return lines


def _remediation_line(fleet: Fleet, path: doc.RemediationPath, words: Words) -> Spans:
    look = sign(path.verdict)
    margin = "" if path.margin_ratio is None else f"{path.margin_ratio:+.1%}"
    ends = _ends(fleet, path.source_site, path.destination_site, words)
    return (
        (f"{look.symbol} ", look.tone),
        (f"{words(ACTIONS.get(path.action, path.action))}  ", "strong"),
        (ends, "plain"),
        (f"  {path.source_carrier}→{path.destination_carrier}", "dim"),
        (f"  {measure(path.measured, path.unit)}", look.tone),
        (f" / {measure(path.limit, path.unit)}  {margin}", "dim"),
    )


def ring_lines(fleet: Fleet, ring: doc.Ring | None, words: Words) -> list[Spans]:
    """Return which sites could ever be inside, by geography alone."""
    if ring is None:
        return []
    centre = fleet.site_title(ring.centre, words.language)
    lines: list[Spans] = [
        plain(words("Who could ever be inside, around {site}", site=centre), "head")
    ]
    for place in ring.sites:
        look = sign("pass" if place.reachable else "impossible")
        said = words("margin {km}", km=kilometres(place.margin_km))
        road = "" if place.by_road or not place.reachable else f"  {words('not by road')}"
        lines.append(
            (
                (f"{look.symbol} ", look.tone),
                (fleet.site_title(place.site, words.language), "plain"),
                (f"  {kilometres(place.great_circle_km)}  {said}{road}", "dim"),
            )
        )
    return lines


def path_lines(fleet: Fleet, name: str, words: Words) -> list[Spans]:
    """Return every path of the target, worst verdict first, with interval and reason."""
    members = set(members_of(fleet, name))
    mine = [verdict for verdict in fleet.verdicts if verdict.target in members]
    mine.sort(key=lambda each: (BADNESS.get(each.verdict, 9), -(each.measured or 0), each.path))
    lines: list[Spans] = [plain(words("Paths by verdict"), "head")]
    for verdict in mine:
        look = sign(verdict.verdict)
        placed = ""
        if verdict.position is not None:
            placed = "  " + words("scale {p}", p=f"{verdict.position:.2f}")
        lines.append(
            (
                (f"{look.symbol} ", look.tone),
                (_ends(fleet, verdict.source_site, verdict.destination_site, words), "plain"),
                (f"  {verdict.source_carrier}→{verdict.destination_carrier}", "dim"),
                (f" IPv{verdict.ip_version}  ", "dim"),
                (measure(verdict.measured, verdict.unit), look.tone),
                (f"  {interval(verdict.low, verdict.high, verdict.unit)}{placed}  ", "dim"),
                (verdict.reason.pick(words.language), "dim"),
            )
        )
    alone = sum(each.ipv4_alone for each in fleet.targets if each.name in members)
    if alone:
        said = words.counted(
            alone, "{n} more paths run only over IPv4 and are not judged.", n=alone
        )
        lines.append(plain(said, "doubt"))
    return lines


def _ends(fleet: Fleet, source: str, destination: str, words: Words) -> str:
    a, b = (fleet.site_title(site, words.language) for site in (source, destination))
    return f"{a} → {b}"
