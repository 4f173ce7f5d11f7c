"""The matrix: site × site, worst verdict of each pair, for one target or for all. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from tui import documents as doc
from tui.figures import ABSENT, delay_ms, fit, interval, measure, ratio
from tui.fleet import Fleet
from tui.pages.paths.model import limit_of
from tui.palette import BADNESS, sign
from tui.rows import Spans, plain
from tui.rules import DECLARED_KINDS
from tui.words import Words

ROW_HEAD_CELLS = 16
NARROW_CELLS, WIDE_CELLS = 3, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixView:
    """Sites in order and the verdicts of each pair, worst first; `target` None means all."""

    target: str | None
    sites: tuple[str, ...] = ()
    pairs: dict[tuple[str, str], tuple[doc.Verdict, ...]] = field(default_factory=dict)

    def worst(self, row: int, column: int) -> doc.Verdict | None:
        """Return the worst verdict of the pair, or None where nothing is asked of it."""
        found = self.pairs.get((self.sites[row], self.sites[column]))
        return found[0] if found else None


def targets(fleet: Fleet) -> tuple[str | None, ...]:
    """Return what the matrix can show: all targets together, then each one that is measured."""
    return (None, *(t.name for t in fleet.targets if t.kind not in DECLARED_KINDS))


def build(fleet: Fleet, target: str | None) -> MatrixView:
    """Return the matrix of `target`; only sites that its paths touch are in it."""
    pairs: dict[tuple[str, str], list[doc.Verdict]] = {}
    touched: set[str] = set()
    for verdict in fleet.verdicts:
        if target is None or verdict.target == target:
            ends = (verdict.source_site, verdict.destination_site)
            pairs.setdefault(ends, []).append(verdict)
            touched.update(ends)
    for verdicts in pairs.values():
        verdicts.sort(key=lambda verdict: BADNESS.get(verdict.verdict, 1))
    known = [site.name for site in fleet.sites if site.name in touched]
    extra = sorted(touched - set(known))
    return MatrixView(
        target=target,
        sites=(*known, *extra),
        pairs={ends: tuple(verdicts) for ends, verdicts in pairs.items()},
    )


def cell_width(sites: int, width: int) -> int:
    """Return how wide a cell can be: as wide as fits, from 3 (symbol) to 9 (symbol and value)."""
    if sites == 0:
        return WIDE_CELLS
    room = (width - ROW_HEAD_CELLS) // sites
    return WIDE_CELLS if room >= WIDE_CELLS else 7 if room >= 7 else NARROW_CELLS


def cell_text(verdict: doc.Verdict | None, width: int) -> tuple[str, str]:
    """Return (text, tone) of one cell, exactly `width` wide."""
    if verdict is None:
        return " " * width, "empty"
    look = sign(verdict.verdict)
    if width < 7 or verdict.measured is None:
        return f"{look.symbol}".center(width), look.tone
    ratio_like = verdict.unit == "ratio"
    value = f"{verdict.measured * 100:.2f}%" if ratio_like else delay_ms(verdict.measured)
    return fit(f" {look.symbol} {value}", width), look.tone


def head_lines(titles: list[str], width: int, most: int) -> list[list[str]]:
    """Return the column heads as lines of cells: across when wide, downwards when narrow."""
    if width >= 7:
        return [[fit(f" {title}", width) for title in titles]]
    depth = min(most, max((len(title) for title in titles), default=0))
    return [
        [fit(f" {title[line]}" if line < len(title) else "", width) for title in titles]
        for line in range(depth)
    ]


def title_of_target(fleet: Fleet, target: str | None, words: Words) -> str:
    """Return the heading of the matrix."""
    return words("All targets") if target is None else fleet.target_title(target, words.language)


def detail(fleet: Fleet, view: MatrixView, row: int, column: int, words: Words) -> list[Spans]:
    """Return the lines that tell about the pair under the cursor."""
    if not view.sites:
        return []
    source, destination = view.sites[row], view.sites[column]
    head = (
        f"{fleet.site_title(source, words.language)} → "
        f"{fleet.site_title(destination, words.language)}"
    )
    verdicts = view.pairs.get((source, destination), ())
    if not verdicts:
        same = words("one site") if source == destination else words("no target for this pair")
        return [((head, "head"), (f"  {same}", "dim"))]
    worst = verdicts[0]
    look = sign(worst.verdict)
    first: list[tuple[str, str]] = [
        (f"{look.symbol} {words(look.word)}  ", look.tone),
        (head, "head"),
        (f"  {worst.source_carrier}→{worst.destination_carrier}", "dim"),
        (f"  {measure(worst.measured, worst.unit)}", look.tone),
        (f"  {words('limit')} {limit_of(worst)}", "plain"),
        (f"  [{interval(worst.low, worst.high, worst.unit)}]", "dim"),
    ]
    if len(verdicts) > 1:
        first.append((f"  {words.counted(len(verdicts), '{n} demands', n=len(verdicts))}", "dim"))
    reason = worst.reason.pick(words.language) or ABSENT
    return [tuple(first), plain(reason)]


def counts(view: MatrixView) -> dict[str, int]:
    """Return how many pairs have each worst verdict."""
    found: dict[str, int] = {}
    for verdicts in view.pairs.values():
        found[verdicts[0].verdict] = found.get(verdicts[0].verdict, 0) + 1
    return found


def share_line(view: MatrixView, words: Words) -> Spans:
    """Return the legend: each verdict's symbol, word and number of pairs."""
    total = sum(counts(view).values())
    spans: list[tuple[str, str]] = []
    for name in ("pass", "fail", "undecided", "impossible", "no_data"):
        number = counts(view).get(name, 0)
        look = sign(name)
        spans += [(f"{look.symbol} {words(look.word)} ", look.tone), (f"{number}   ", "plain")]
    if total:
        share = ratio(counts(view).get("pass", 0) / total, 1)
        spans.append(
            (
                words.counted(total, "of {total} pairs ({share} pass)", total=total, share=share),
                "dim",
            )
        )
    return tuple(spans)
