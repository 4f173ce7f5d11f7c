"""Moments as people read and write them: local, with the offset from UTC.

Local is what ISOCHRONE_TIME_ZONE (or ``--time-zone``) says, else what the system says (TZ).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import zoneinfo

import click

from foundation.errors import UsageError
from foundation.text import Text

TIME_ZONE = "ISOCHRONE_TIME_ZONE"
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def chosen_zone() -> dt.tzinfo | None:
    """Return the zone of ``--time-zone`` or ISOCHRONE_TIME_ZONE, None where the system's holds."""
    name = _chosen_name()
    return zone_of(name) if name else None


def zone_name() -> str | None:
    """Return the name of the zone that was chosen, else of the system's; None for nobody's (UTC of
    a server), and where it has no name."""
    name = _chosen_name()
    if name:
        return name
    name = os.environ.get("TZ", "").lstrip(":") or _system_name()
    return name if name and _exists(name) else None


def _chosen_name() -> str | None:
    command = click.get_current_context(silent=True)
    return (command and command.meta.get(TIME_ZONE)) or os.environ.get(TIME_ZONE)


def _system_name() -> str:
    return os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]


def _exists(name: str) -> bool:
    try:
        return str(zone_of(name)) not in ("UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Universal")
    except UsageError:
        return False  # such as TZ=CST-8


def zone_of(name: str) -> dt.tzinfo:
    """Return the zone of a name such as ``Asia/Shanghai``. Raises UsageError."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"{name!r} is not a time zone this system knows; write one such as Asia/Shanghai or "
            f"UTC (--time-zone, ISOCHRONE_TIME_ZONE; package tzdata).",
            f"本系统没有名为 {name!r} 的时区；请写成 Asia/Shanghai 或 UTC"
            "（--time-zone、ISOCHRONE_TIME_ZONE；软件包 tzdata）。",
            time_zone=name,
        ) from error


def local_text(time_ns: int, timespec: str = "seconds", zone: dt.tzinfo | None = None) -> str:
    """Return a moment such as ``2026-11-01T08:00:00+08:00``, in `zone` or the chosen one."""
    moment = dt.datetime.fromtimestamp(time_ns // 1_000_000_000, dt.UTC)
    return moment.astimezone(zone or chosen_zone()).isoformat(timespec=timespec)


def moment_ns(text: str) -> int:
    """Return an ISO 8601 moment as nanoseconds since 1970. Raises UsageError.

    One without a zone is read in the zone that was chosen; where none was, it may mean two.
    """
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text} is not a time; write 2026-11-01T08:00+08:00, or 2026-11-01 with --time-zone.",
            f"{text} 不是有效时间；请写成 2026-11-01T08:00+08:00，或写成 2026-11-01 并指定 "
            "--time-zone。",
            time=text,
        ) from error
    if moment.tzinfo is None:
        zone = chosen_zone() or (moment.astimezone().tzinfo if os.environ.get("TZ") else None)
        if zone is None:
            told = ambiguous(moment)
            raise UsageError(
                f"{told.en}, or give --time-zone.",
                f"{told.zh}，或用 --time-zone 指定时区。",
                time=text,
            )
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1_000_000) * 1000


def ambiguous(moment: dt.datetime) -> Text:
    """Return what is wrong with a moment that may mean two: the local one, and that in UTC.

    Where this machine runs on UTC (a container, say) its user may still mean another zone.
    """
    local = moment.astimezone().isoformat(timespec="seconds")
    utc = moment.replace(tzinfo=dt.UTC).isoformat(timespec="seconds")
    if local == utc:
        return Text(
            f"`{moment.isoformat()}` has no zone, and this machine runs on UTC: write {utc} if "
            f"you mean that, otherwise your offset, such as +08:00",
            f"`{moment.isoformat()}` 没有时区，而本机使用 UTC：若确指 UTC，请写成 {utc}；"
            "否则请写明所在时区的偏移，如 +08:00",
        )
    return Text(
        f"`{moment.isoformat()}` has no zone and may be {local} (local time here) or {utc} (UTC): "
        "write the one you mean",
        f"`{moment.isoformat()}` 没有时区，可能是 {local}（本机当地时间）或 {utc}（UTC）："
        "请写明所指的一个",
    )


def duration_ns_of(text: str) -> int:
    """Return a stretch of time such as ``90m``, ``24h`` or ``7d``. Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", text.strip())
    if found is None or int(found[1]) == 0:
        raise UsageError(
            f"{text!r} is not a duration; write 90m, 24h or 7d.",
            f"{text!r} 不是有效的时长；请写成 90m、24h 或 7d。",
            span=text,
        )
    return int(found[1]) * _UNITS_S[found[2]] * 1_000_000_000


def past_range(
    start: str | None, end: str | None, last: str | None, now_ns: int
) -> tuple[int, int]:
    """Return (from, to) in nanoseconds of ``--from`` and ``--to``, or of ``--last``.

    Raises UsageError unless one way was used. ``--to`` alone ends what ``--last`` begins.
    """
    if last is not None and start is None:
        end_ns = now_ns if end is None else moment_ns(end)
        return end_ns - duration_ns_of(last), end_ns
    if last is not None or start is None:
        raise UsageError(
            "Give a period: --last 24h, or --from TIME and --to TIME (now by default).",
            "请指定时间范围：--last 24h，或 --from 时间 与 --to 时间（省略时为现在）。",
        )
    from_ns, to_ns = moment_ns(start), now_ns if end is None else moment_ns(end)
    if to_ns <= from_ns:
        raise UsageError(
            f"The end {local_text(to_ns)} is not after the start {local_text(from_ns)}.",
            f"结束时间 {local_text(to_ns)} 不晚于开始时间 {local_text(from_ns)}。",
        )
    return from_ns, to_ns


def choose_zone(command: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Let the zone of ``--time-zone`` hold for all that a command says (a click callback)."""
    if name:
        zone_of(name)
        command.meta[TIME_ZONE] = name
