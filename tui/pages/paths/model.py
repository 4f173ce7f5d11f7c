"""The path table: which paths, in which order, and what each cell says. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tui import documents as doc
from tui.errors import Language
from tui.figures import ABSENT, delay, delay_ms, interval, kilometres, measure, ratio
from tui.fleet import Fleet
from tui.palette import BADNESS, sign
from tui.rows import Column, Spans, plain
from tui.rules import ARROWS
from tui.words import Words

COLUMNS = (
    Column(key="verdict", title="Verdict", width=10, stretch=1, most=12),
    Column(key="source", title="From", width=11, stretch=3, most=26),
    Column(key="destination", title="To", width=11, stretch=3, most=26),
    Column(key="carriers", title="Carriers", width=9, rank=1, stretch=2, most=22),
    Column(key="ip", title="IP", width=2, rank=2),
    Column(key="target", title="Target", width=14, rank=4, stretch=3, most=34),
    Column(key="measured", title="Measured", width=9, align="right"),
    Column(key="limit", title="Limit", width=9, align="right", stretch=1, most=11),
    Column(key="interval", title="Interval", width=20, rank=5, align="right"),
    Column(key="rtt50", title="RTT p50 ms", width=10, rank=3, align="right"),
    Column(key="rtt95", title="RTT p95 ms", width=10, rank=5, align="right"),
    Column(key="forward50", title="→ p50 ms", width=9, rank=6, align="right"),
    Column(key="backward50", title="← p50 ms", width=9, rank=6, align="right"),
    Column(key="loss", title="Loss", width=8, rank=2, align="right"),
    Column(key="road", title="Road", width=8, rank=7, align="right"),
)
SORTS = tuple(column.key for column in COLUMNS)
FIELDS = ("site", "from", "to", "carrier", "verdict", "target", "ip", "protocol")


@dataclass(frozen=True, slots=True)
class PathRow:
    """One path with the verdict that stands for it (its worst among those asked for)."""

    path: doc.Path
    verdict: doc.Verdict | None
    figures: doc.Figures

    @property
    def key(self) -> str:
        """The path's id."""
        return self.path.id

    @property
    def verdict_name(self) -> str:
        """The verdict's name; a path without one has no data."""
        return self.verdict.verdict if self.verdict else "no_data"


@dataclass(frozen=True, slots=True)
class Term:
    """One word of the filter: `field` is empty for free text."""

    field: str
    value: str


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of a filter such as ``site:nanjing verdict:fail 联通``; all must hold.

    Full-width colons are read as plain ones, for those who type Chinese.
    """
    terms = []
    for word in text.lower().replace("：", ":").split():
        field, colon, value = word.partition(":")
        if colon and field in FIELDS:
            if value:
                terms.append(Term(field, value))
        else:
            terms.append(Term("", word))
    return tuple(terms)


class PathIndex:
    """The searchable text of every path, made once per reading so that typing stays quick."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._site_text = {
            site.name: " ".join(
                (site.name, site.title.en, site.title.zh, site.city or "", site.metro or "")
            ).lower()
            for site in fleet.sites
        }
        self._target_text = {
            target.name: f"{target.name} {target.title.en} {target.title.zh}".lower()
            for target in fleet.targets
        }
        self._path_text = {
            path.id: " ".join(
                (
                    path.id,
                    path.source.address,
                    path.destination.address,
                    self._site(path.source.site),
                    self._site(path.destination.site),
                )
            ).lower()
            for path in fleet.paths
        }

    def rows(
        self, text: str = "", sort: str = "verdict", *, reverse: bool = False
    ) -> tuple[PathRow, ...]:
        """Return the rows that the filter `text` lets through, sorted; absent values come last."""
        terms = parse(text)
        found = []
        for path in self._fleet.paths:
            if all(self._holds_path(path, term) for term in terms):
                row = self._row(path, terms)
                if row is not None:
                    found.append(row)
        return sort_rows(found, self._fleet, sort, reverse=reverse)

    def _row(self, path: doc.Path, terms: Sequence[Term]) -> PathRow | None:
        verdicts = [
            verdict
            for verdict in self._fleet.verdicts_by_path.get(path.id, ())
            if all(self._holds_verdict(verdict, term) for term in terms)
        ]
        asked = any(term.field in ("target", "verdict", "protocol") for term in terms)
        worst = min(verdicts, key=_badness, default=None)
        if worst is None and asked and not self._is_unjudged(path, terms):
            return None
        return PathRow(path, worst, main_figures(path, worst.protocol if worst else None))

    def _is_unjudged(self, path: doc.Path, terms: Sequence[Term]) -> bool:
        """Return whether a path that no target speaks of is requested as one without data."""
        wanted = [term for term in terms if term.field in ("target", "verdict", "protocol")]
        return path.id not in self._fleet.verdicts_by_path and all(
            term.field == "verdict" and _means(term.value, "no_data") for term in wanted
        )

    def _site(self, name: str) -> str:
        return self._site_text.get(name, name)

    def _holds_path(self, path: doc.Path, term: Term) -> bool:
        value = term.value
        if term.field in ("site", "from") and value in self._site(path.source.site):
            return True
        if term.field in ("site", "to"):
            return value in self._site(path.destination.site)
        if term.field == "carrier":
            return value in path.source.carrier.lower() or value in path.destination.carrier.lower()
        if term.field == "ip":
            return str(path.ip_version) == value.removeprefix("v")
        if term.field == "from":
            return False
        if term.field:
            return True  # a question about the verdict
        return value in self._path_text[path.id] or any(
            value in self._target_text.get(verdict.target, verdict.target)
            for verdict in self._fleet.verdicts_by_path.get(path.id, ())
        )

    def _holds_verdict(self, verdict: doc.Verdict, term: Term) -> bool:
        if term.field == "target":
            return term.value in self._target_text.get(verdict.target, verdict.target)
        if term.field == "verdict":
            return _means(term.value, verdict.verdict)
        if term.field == "protocol":
            return (verdict.protocol or "").startswith(term.value)
        return True


_CHINESE_VERDICTS = {
    "pass": "达标",
    "fail": "不达标",
    "undecided": "无法判定",
    "impossible": "不可能达到",
    "no_data": "无数据",
}


def _means(value: str, verdict: str) -> bool:
    """Return whether `value` means `verdict`: its beginning in either language, or symbol."""
    plain_name = value.replace("-", "_").replace(" ", "_")
    return (
        verdict.startswith(plain_name)
        or _CHINESE_VERDICTS.get(verdict, "").startswith(value)
        or value == sign(verdict).symbol
    )


def _badness(verdict: doc.Verdict) -> tuple[int, float]:
    limit = verdict.limit_ns if verdict.unit == "ns" else verdict.limit_ratio
    excess = (verdict.measured or 0.0) / limit if limit else 0.0
    return BADNESS.get(verdict.verdict, 1), -excess


def main_figures(path: doc.Path, protocol: str | None) -> doc.Figures:
    """Return the figures of `protocol`, else of the first protocol measured, else all absent."""
    if protocol and (chosen := path.figures.get(protocol)):
        return chosen
    for name in ("udp", "icmp", "tcp", *path.figures):
        if found := path.figures.get(name):
            return found
    return doc.Figures()


def sort_rows(
    rows: Sequence[PathRow], fleet: Fleet, sort: str, *, reverse: bool
) -> tuple[PathRow, ...]:
    """Return `rows` sorted by a column; absent values stay last in either order."""
    key = _NUMERIC.get(sort)
    if key is not None:
        present = [row for row in rows if _number(key(row)) is not None]
        absent = [row for row in rows if _number(key(row)) is None]
        present.sort(key=lambda row: _number(key(row)) or 0.0, reverse=reverse)
        return (*present, *absent)
    text: dict[str, Callable[[PathRow], object]] = {
        "verdict": lambda row: _badness(row.verdict) if row.verdict else (2, 0.0),
        "source": lambda row: (row.path.source.site, row.path.destination.site),
        "destination": lambda row: (row.path.destination.site, row.path.source.site),
        "carriers": lambda row: (row.path.source.carrier, row.path.destination.carrier),
        "target": lambda row: fleet.target_title(row.verdict.target, "en") if row.verdict else "~",
    }
    return tuple(sorted(rows, key=text.get(sort, text["verdict"]), reverse=reverse))  # type: ignore[arg-type]  # keys of one column compare


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


_NUMERIC: dict[str, Callable[[PathRow], float | None]] = {
    "ip": lambda row: row.path.ip_version,
    "measured": lambda row: row.verdict.measured if row.verdict else None,
    "limit": lambda row: (row.verdict.limit_ns or row.verdict.limit_ratio) if row.verdict else None,
    "interval": lambda row: (
        row.verdict.high - row.verdict.low
        if row.verdict and row.verdict.high is not None and row.verdict.low is not None
        else None
    ),
    "rtt50": lambda row: row.figures.rtt_p50_ns,
    "rtt95": lambda row: row.figures.rtt_p95_ns,
    "forward50": lambda row: row.figures.forward_p50_ns,
    "backward50": lambda row: row.figures.backward_p50_ns,
    "loss": lambda row: row.figures.loss_ratio,
    "road": lambda row: row.path.distance.road_km if row.path.distance else None,
}


def limit_of(verdict: doc.Verdict) -> str:
    """Return the limit with the arrow of its direction."""
    value = (
        ratio(verdict.limit_ratio)
        if verdict.limit_ns is None and verdict.limit_ratio is not None
        else delay(verdict.limit_ns)
    )
    return f"{ARROWS.get(verdict.direction or '', '')}{value}"


def cell(row: PathRow, column: str, fleet: Fleet, words: Words) -> Spans:
    """Return what `column` of `row` says."""
    if column in ("source", "destination"):
        end = row.path.source if column == "source" else row.path.destination
        return plain(fleet.site_title(end.site, words.language), "plain")
    if column == "carriers":
        one, other = row.path.source.carrier, row.path.destination.carrier
        return plain(one if one == other else f"{one}→{other}", "plain" if one != other else "dim")
    if column == "ip":
        return plain(f"v{row.path.ip_version}" if row.path.ip_version else ABSENT, "dim")
    if column == "loss":
        return plain(ratio(row.figures.loss_ratio), _absent_tone(row.figures.loss_ratio))
    if column == "road":
        return plain(kilometres(row.path.distance.road_km if row.path.distance else None), "dim")
    if column in _NUMERIC and column not in ("measured", "limit", "interval"):
        value = _NUMERIC[column](row)
        return plain(delay_ms(value), _absent_tone(value))
    return _verdict_cell(row, column, fleet, words.language, words)


def _verdict_cell(
    row: PathRow, column: str, fleet: Fleet, language: Language, words: Words
) -> Spans:
    look = sign(row.verdict_name)
    if column == "verdict":
        return plain(f"{look.symbol} {words(look.word)}", look.tone)
    verdict = row.verdict
    if verdict is None:
        return plain(ABSENT, "dim")
    if column == "target":
        return plain(fleet.target_title(verdict.target, language))
    if column == "measured":
        return plain(measure(verdict.measured, verdict.unit), look.tone)
    if column == "limit":
        return plain(limit_of(verdict))
    return plain(interval(verdict.low, verdict.high, verdict.unit), "dim")


def _absent_tone(value: float | None) -> str:
    return "dim" if _number(value) is None else "plain"
