"""The campaign file: what is measured, for how long, and what the report is about. Strict TOML."""

from __future__ import annotations

import datetime
import pathlib
from typing import Annotated, Any

import msgspec

from controller.campaigns.request import CampaignRequest, ZoneName, note_unknown_zone
from foundation.input_files import read_input
from foundation.local_time import ambiguous, zone_name
from foundation.text import Language, Text
from foundation.toml_text import decoded, parse_toml
from topology.model import Name
from topology.network import Mesh
from topology.source_lines import SourceLines
from topology.strict import Problems, check


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One campaign. Exactly one of `controller` (whose fleet measures) and `sites` (this machine
    measures the streams that begin at its own address) says who measures.

    With `mesh` the controller's plan gets streams of the campaign's own, from `begin` (ISO 8601;
    now if absent) for `duration_s`; without, the report is about what runs anyway.

    `targets` narrows the report to these targets, in this order; empty means all. `prepared_for`
    stands on the cover. Its times are those of `time_zone` (IANA), beside UTC. `window_s`
    matters only for `sites`.
    """

    name: Name
    title: Text
    duration_s: Annotated[float, msgspec.Meta(ge=0.001, le=2_678_400)]
    controller: str | None = None
    sites: str | None = None
    targets: tuple[str, ...] = ()
    language: Language = "zh"
    prepared_for: Text | None = None
    time_zone: ZoneName | None = None
    window_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 10.0
    begin: str | None = None
    mesh: tuple[Mesh, ...] = ()


def load_campaign(path: pathlib.Path) -> Campaign:
    """Read and check a campaign file. Raises ConfigError with line, key and nearest known word."""
    text = decoded(lambda: read_input(path), path, Text("campaign file", "专项测量文件"))
    raw = parse_toml(text, path)
    for key in ("title", "prepared_for"):
        if isinstance(raw.get(key), str):
            raw[key] = {"en": raw[key], "zh": raw[key]}
    if isinstance(raw.get("begin"), datetime.datetime):
        raw["begin"] = raw["begin"].isoformat()
    problems = Problems(path, SourceLines(text))
    check(raw, Campaign, (), problems)
    if "controller" in raw and "sites" in raw:
        problems.add(
            ("sites",),
            "`controller` and `sites` exclude each other: keep the one that says who measures",
            "`controller` 与 `sites` 只能二选一：请保留实际执行测量的一方",
        )
    if "mesh" not in raw and "begin" in raw:
        problems.add(
            ("begin",),
            "`begin` needs a `mesh`: without one nothing is added to the plan that could begin",
            "`begin` 需要 `mesh`：没有 mesh 就不会向计划加入任何测量流",
        )
    if "mesh" in raw and "sites" in raw:
        problems.add(
            ("mesh",),
            "with `sites` this machine measures the meshes of that site file; write `mesh` there",
            "使用 `sites` 时由本机按该站点文件的测量组测量；请把 `mesh` 写在站点文件中",
        )
    _check_begin(raw.get("begin"), problems)
    note_unknown_zone(raw.get("time_zone"), problems)
    problems.raise_if_any()
    campaign = msgspec.convert(raw, Campaign)
    if campaign.sites is None:
        return campaign
    # A path in a file means a place beside that file, wherever the command is run.
    return msgspec.structs.replace(campaign, sites=str(path.parent / campaign.sites))


def asked_of(campaign: Campaign) -> CampaignRequest:
    """Return what a campaign with a mesh asks of a controller."""
    return CampaignRequest(
        name=campaign.name,
        title=campaign.title,
        duration_s=campaign.duration_s,
        mesh=campaign.mesh,
        begin_ns=None if campaign.begin is None else _time_ns(campaign.begin),
        targets=campaign.targets,
        language=campaign.language,
        prepared_for=campaign.prepared_for,
        time_zone=campaign.time_zone or zone_name(),
    )


def _check_begin(begin: Any, problems: Problems) -> None:
    if not isinstance(begin, str):
        return
    try:
        time = datetime.datetime.fromisoformat(begin)
        if time.tzinfo is None:
            told = ambiguous(time)
            problems.add(("begin",), told.en, told.zh)
    except ValueError:
        problems.add(
            ("begin",),
            f"`{begin}` is not a time: write it as 2026-11-01T02:00:00+08:00",
            f"`{begin}` 不是时间：请写成 2026-11-01T02:00:00+08:00",
        )


def _time_ns(text: str) -> int:
    """Return an ISO 8601 time with its zone in nanoseconds."""
    time = datetime.datetime.fromisoformat(text)
    return round(time.timestamp()) * 1_000_000_000
