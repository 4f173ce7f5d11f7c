"""A Report as one self-contained HTML page: no outside requests, both languages, fit to print."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from controller.reports.page_figures import (
    ABSENT,
    both,
    duration,
    figure,
    interval,
    limit,
    moment,
    percent,
    percentage,
    share_range,
    share_strip,
    stretch,
    strip,
)
from controller.reports.report import URGENCY, limit_of
from controller.reports.words import (
    DIRECTION_WORDS,
    KIND_WORDS,
    LEFT_OUT_WORDS,
    STATISTIC_WORDS,
    TIMESTAMPING_WORDS,
    VERDICT_SIGNS,
    VERDICT_WORDS,
)
from foundation.errors import UsageError
from foundation.local_time import chosen_zone, zone_of
from foundation.text import Text, plain

if TYPE_CHECKING:
    from controller.live.account_document import AccountDocument
    from controller.reports.report import Report


# Of these a ratio is measured over reference, written as a factor; of loss it is a percentage.
FACTOR_KINDS = ("improvement", "comparison", "ipv6_parity")


def render_report(report: Report) -> str:
    """Return the page. Everything that comes from outside is escaped, and plain writing."""
    factors = {i.target.name for i in report.indicators if i.target.kind in FACTOR_KINDS}

    def unit_of(unit: str, target: str) -> str:
        return "factor" if unit == "ratio" and target in factors else unit

    def reading(value: float | None, unit: str, target: str, *, exact: bool = False) -> Markup:
        chosen = unit_of(unit, target)
        return limit(value, chosen) if exact else figure(value, chosen)

    zone = _zone(report.campaign.time_zone)

    def when(time_ns: int | None) -> Markup:
        return moment(time_ns, zone)

    def period(from_ns: int | None, to_ns: int | None) -> Markup:
        return stretch(from_ns, to_ns, zone)

    page = (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            urgency=URGENCY,
            unit_of=unit_of,
            reading=reading,
            when=when,
            period=period,
        )
    )
    return plain(page, lines=True)


def _zone(name: str | None) -> dt.tzinfo | None:
    """Return the zone of that name; one that this system no longer knows costs no report."""
    with contextlib.suppress(UsageError):
        return chosen_zone() if name is None else zone_of(name)
    return dt.UTC


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("controller.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words: dict[str, dict[str, Text]] = {
        "verdict_words": VERDICT_WORDS,
        "direction_words": DIRECTION_WORDS,
        "statistic_words": STATISTIC_WORDS,
        "kind_words": KIND_WORDS,
        "timestamping_words": TIMESTAMPING_WORDS,
    }
    functions: dict[str, Callable[..., Any]] = {
        "both": both,
        "say": lambda en, zh: both(Text(en, zh)),
        "figure": figure,
        "interval": interval,
        "limit_of": limit_of,
        "percent": percent,
        "percentage": percentage,
        "share_range": share_range,
        "duration": duration,
        "strip": strip,
        "share_strip": share_strip,
        "excluded": excluded,
    }
    environment.globals.update(words, **functions, signs=VERDICT_SIGNS, DASH=ABSENT)
    return environment


def excluded(account: AccountDocument) -> list[tuple[Text, int]]:
    """Return why probes that were due are not judged, and how many each time; none that is 0."""
    counts = ((text, getattr(account.excluded, cause)) for cause, text in LEFT_OUT_WORDS.items())
    return [(text, count) for text, count in counts if count]
