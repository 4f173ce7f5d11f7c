"""The line on top: how the fleet is and how old what you see is. Pure."""

from __future__ import annotations

import datetime as dt

from tui.figures import age, clock_time
from tui.fleet import Fleet, Link
from tui.palette import AGENT_SIGNS, sign
from tui.rows import Spans
from tui.words import Words


def heading(
    fleet: Fleet | None,
    link: Link,
    words: Words,
    *,
    now_ns: int,
    zone: dt.tzinfo | None,
    short: bool = False,
) -> tuple[Spans, Spans]:
    """Return (left, right) of the heading: product and agents; state of the data.

    `short` leaves out the words of states: symbol and number stay.
    """
    left: list[tuple[str, str]] = [
        ("◎ ", "accent"),
        (words("Isochrone"), "strong"),
        ("  ", "plain"),
    ]
    if fleet is not None:
        left += _agents(fleet, words, short=short)
        left += _troubles(fleet, words)
        running = fleet.health.campaigns.get("running", 0)
        if running:
            left.append(
                (f"{words.counted(running, '{n} campaigns running', n=running)}  ", "accent")
            )
    return tuple(left), _data_state(fleet, link, words, now_ns, zone)


def _agents(fleet: Fleet, words: Words, *, short: bool) -> list[tuple[str, str]]:
    if not fleet.agents:
        return [(words("no agents"), "doubt")]
    spans: list[tuple[str, str]] = [(f"{words('Agents')} ", "dim")]
    known = [*AGENT_SIGNS, *sorted(set(fleet.agents_by_state) - set(AGENT_SIGNS))]
    for state in known:
        number = fleet.agents_by_state.get(state, 0)
        if number or state == "ok":
            look = sign(state, AGENT_SIGNS)
            tone = look.tone if number else "dim"
            word = "" if short else f" {words(look.word)}"
            spans.append((f"{look.symbol} {number}{word}  ", tone))
    return spans


def _troubles(fleet: Fleet, words: Words) -> list[tuple[str, str]]:
    store = fleet.health.store
    spans: list[tuple[str, str]] = []
    if store is not None and store.state != "ok":
        why = store.reason.pick(words.language) if store.reason else store.state
        spans.append((f"✗ {words('store: {why}', why=why)}  ", "bad"))
    old, demands = fleet.health.stale, fleet.health.demands
    if old:
        said = words.counted(demands, "{n} of {m} verdicts: evidence too old", n=old, m=demands)
        spans.append((f"✗ {said}  ", "bad"))
    if fleet.health.warnings:
        warnings = len(fleet.health.warnings)
        said = words.counted(warnings, "{n} warnings", n=warnings)
        spans.append((f"▲ {said}  ", "doubt"))
    return spans


def _data_state(
    fleet: Fleet | None,
    link: Link,
    words: Words,
    now_ns: int,
    zone: dt.tzinfo | None,
) -> Spans:
    if fleet is None:
        if link.state == "stale":
            return ((f"✗ {words('controller unreachable')}", "bad"),)
        return ((f"… {words('loading')}", "doubt"),)
    when = clock_time(fleet.read_ns, zone)
    if link.state == "stale":
        said = words("STALE, data of {when}, {age} old", when=when, age=age(fleet.read_ns, now_ns))
        return ((f"✗ {said}", "bad"),)
    newest = age(fleet.newest_window_ns, fleet.health.now_ns)
    return (
        (f"{words('newest window')} {newest}  ", "dim"),
        ("● ", "doubt" if fleet.health.stale else "good"),
        (when, "plain"),
    )
