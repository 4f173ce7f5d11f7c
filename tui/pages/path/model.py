"""The page of one path: its verdicts with reasons, its distances and figures. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from tui import documents as doc
from tui.figures import (
    ABSENT,
    age,
    clock_time,
    count,
    delay,
    interval,
    kilometres,
    measure,
    ratio,
)
from tui.fleet import Fleet
from tui.pages.paths.model import limit_of
from tui.palette import BADNESS, PATH_SIGNS, sign
from tui.rows import Spans, plain
from tui.rules import STATISTICS
from tui.words import Words

LIMITING_FACTORS = {
    "value": "the value",
    "clock": "the clock",
    "samples": "too few samples",
    "asymmetry": "asymmetry",
    "calibration": "calibration",
    "floor": "light in fibre",
    "distance": "the road distance",
    "none": "nothing",
}


def protocols(path: doc.Path) -> tuple[str, ...]:
    """Return the protocols that run on a path, the one judged first."""
    found = {stream.protocol for stream in path.streams} | set(path.figures)
    order = ("udp", "icmp", "tcp")
    return tuple(sorted(found, key=lambda name: (order.index(name) if name in order else 9, name)))


def verdicts(fleet: Fleet, path: str) -> tuple[doc.Verdict, ...]:
    """Return the path's verdicts, worst first."""
    return tuple(
        sorted(
            fleet.verdicts_by_path.get(path, ()), key=lambda entry: BADNESS.get(entry.verdict, 1)
        )
    )


def limits_ms(entries: Sequence[doc.Verdict]) -> tuple[float, ...]:
    """Return the distinct delay limits of the path's targets, in ms."""
    return tuple(sorted({e.limit_ns / 1e6 for e in entries if e.limit_ns and e.unit == "ns"}))


def limits_percent(entries: Sequence[doc.Verdict]) -> tuple[float, ...]:
    """Return the distinct loss limits of the path's targets, in percent."""
    return tuple(
        sorted({e.limit_ratio * 100 for e in entries if e.limit_ratio and e.unit == "ratio"})
    )


def title(fleet: Fleet, path: doc.Path, words: Words) -> Spans:
    """Return the page's heading."""
    look = sign(path.state, PATH_SIGNS)
    return (
        (f"{look.symbol} {words(look.word)}  ", look.tone),
        (fleet.site_title(path.source.site, words.language), "head"),
        (" → ", "dim"),
        (fleet.site_title(path.destination.site, words.language), "head"),
        (
            f"   {path.source.carrier} → {path.destination.carrier}   "
            f"{path.source.address} → {path.destination.address}",
            "dim",
        ),
    )


def verdict_lines(
    fleet: Fleet, entries: Sequence[doc.Verdict], words: Words, zone: dt.tzinfo | None
) -> list[Spans]:
    """Return each verdict with interval, deciding term, the other reading and the reason."""
    lines: list[Spans] = []
    for entry in entries:
        look = sign(entry.verdict)
        lines.append(
            (
                (f"{look.symbol} {words(look.word)}  ", look.tone),
                (fleet.target_title(entry.target, words.language), "strong"),
            )
        )
        statistic = words(STATISTICS.get(entry.statistic or "", entry.statistic or ABSENT))
        lines.append(
            (
                (f"  {measure(entry.measured, entry.unit)}", look.tone),
                (f" [{interval(entry.low, entry.high, entry.unit)}]", "plain"),
                (f"  {words('limit')} {limit_of(entry)}", "plain"),
                (f"  {statistic}" if entry.unit == "ns" else "", "dim"),
                (f"  {entry.protocol}" if entry.protocol else "", "dim"),
            )
        )
        lines.append(_second_line(entry, words, zone))
        reason = entry.reason.pick(words.language)
        if reason:
            lines.append(plain(f"  {reason}", "plain"))
        lines.append(plain(""))
    return lines or [plain(words("No target applies to this path."), "dim")]


def _second_line(entry: doc.Verdict, words: Words, zone: dt.tzinfo | None) -> Spans:
    spans: list[tuple[str, str]] = []
    other = entry.other_reading
    if other is not None:
        name = words("round trip") if other.direction == "round_trip" else words("one way")
        spans.append((f"  {name} {measure(other.measured, entry.unit)}", "plain"))
    factor = LIMITING_FACTORS.get(entry.limiting_factor or "none", entry.limiting_factor or "none")
    spans.append((f"  {words('decided by')} {words(factor)}", "dim"))
    if entry.sent is not None:
        spans.append((f"  {words.counted(entry.sent, '{n} probes', n=count(entry.sent))}", "dim"))
    if entry.since_ns is not None:
        when = clock_time(entry.since_ns, zone)
        spans.append((f"  {words('since {when}', when=when)}", "dim"))
    return tuple(spans)


def facts(path: doc.Path, now_ns: int | None, words: Words) -> list[Spans]:
    """Return distances, the streams and the latest figures of each protocol."""
    lines: list[Spans] = []
    distance = path.distance
    if distance is not None:
        kind = words("given") if distance.given else words("estimated")
        doubt = distance.road_uncertainty_ratio
        about = f" ±{doubt * 100:.0f}%" if doubt and not distance.given else ""
        lines.append(_fact(words("Great circle"), kilometres(distance.great_circle_km)))
        lines.append(_fact(words("Road"), f"{kilometres(distance.road_km)}{about} · {kind}"))
        lines.append(_fact(words("Light-in-fibre floor"), f"→ {delay(distance.floor_ns)}"))
        lines.append(_fact(words("Theoretical delay"), f"→ {delay(distance.theoretical_ns)}"))
    for name in protocols(path):
        figures = path.figures.get(name)
        if figures is None:
            lines.append(_fact(name, words("no data")))
            continue
        lines.append(
            _fact(
                name,
                f"⇄ {delay(figures.rtt_p50_ns)} · p95 {delay(figures.rtt_p95_ns)} · "
                f"{_ways(figures, words)} · "
                f"{words('loss')} {ratio(figures.loss_ratio)} · "
                f"{age(figures.last_window_ns, now_ns)}",
            )
        )
    for stream in path.streams:
        every = f"{stream.interval_ms:g} ms" if stream.interval_ms is not None else ABSENT
        lines.append(_fact(words("Stream"), f"{stream.type_p or stream.protocol} / {every}"))
    return lines


def _ways(figures: doc.Figures, words: Words) -> str:
    """Return both ways; where no clock vouches for them, that instead of what is timestamped."""
    if figures.one_way == "relative":
        return words("→ ← unknown: clocks not trusted")
    return f"→ {delay(figures.forward_p50_ns)} · ← {delay(figures.backward_p50_ns)}"


def _fact(name: str, value: str) -> Spans:
    return ((f"{name}  ", "dim"), (value, "plain"))
