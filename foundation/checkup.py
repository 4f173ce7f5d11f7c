"""What `doctor` commands find, and how they tell it; checks that agent and controller share."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from foundation.text import Language, Text, plain

Status = Literal["ok", "warn", "fail"]
_MARKS: dict[Status, Text] = {
    "ok": Text("ok  ", "正常"),
    "warn": Text("warn", "注意"),
    "fail": Text("FAIL", "失败"),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: `text` says how it is and, unless it is well, what to do."""

    check: str
    status: Status
    text: Text


def finding(check: str, status: Status, en: str, zh: str) -> Finding:
    """Return a finding with its sentence in both languages."""
    return Finding(check=check, status=status, text=Text(en, zh))


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 1 where something fails, else 0."""
    return int(any(one.status == "fail" for one in findings))


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings as one JSON array."""
    return plain(msgspec.json.format(msgspec.json.encode(findings), indent=1).decode(), lines=True)


def as_lines(findings: Sequence[Finding], language: Language) -> list[str]:
    """Return one line a finding."""
    width = max((len(one.check) for one in findings), default=0)
    return [
        f"{_MARKS[one.status].pick(language)}  {one.check:<{width}}  {one.text.pick(language)}"
        for one in findings
    ]


def check_directory(check: str, path: Path, wanted_bytes: int) -> Finding:
    """Look whether a directory can be written and its disk has `wanted_bytes` left."""
    there = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return finding(
            check,
            "fail",
            f"{there} cannot be written by this user; give it to the user that runs the service.",
            f"当前用户无法写入 {there}；请将其属主改为运行服务的用户。",
        )
    free = shutil.disk_usage(there).free
    gib = f"{free / 2**30:.1f} GiB"
    if free < wanted_bytes:
        return finding(
            check,
            "warn",
            f"{path} has {gib} left on its disk, less than the {wanted_bytes / 2**30:.1f} GiB that "
            "may be needed; free some space or lower the bound.",
            f"{path} 所在磁盘仅剩 {gib}，少于可能需要的 {wanted_bytes / 2**30:.1f} GiB；"
            "请清理空间或调低上限。",
        )
    if there != path:
        return finding(
            check,
            "ok",
            f"{path} does not exist yet and can be made, {gib} are free.",
            f"{path} 尚不存在，可以创建，剩余 {gib}。",
        )
    return finding(
        check, "ok", f"{path} can be written, {gib} are free.", f"{path} 可写，剩余 {gib}。"
    )


def check_clock(source: str, bound_ns: float) -> Finding:
    """Say how far the clock may be off, by what `source` says."""
    if math.isnan(bound_ns):
        return finding(
            "clock",
            "warn",
            f"The clock is not synchronised ({source}): there are no one-way figures. Run "
            "chronyd, or ptp4l and set `ptp = true`, or declare a bound.",
            f"时钟未同步（{source}），无法据此判定单向指标。请运行 chronyd，"
            "或使用 ptp4l 并设置 `ptp = true`，或声明其误差界。",
        )
    bound = f"{bound_ns / 1e3:.0f} µs"
    return finding(
        "clock",
        "ok",
        f"The clock is off by at most {bound} ({source}).",
        f"时钟误差不超过 {bound}（{source}）。",
    )
