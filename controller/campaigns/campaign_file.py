"""The campaign file: what is measured, for how long, and what the report is about. Strict TOML."""

from __future__ import annotations

import pathlib
from typing import Annotated

import msgspec

from probes.text import Language, Text
from probes.toml_text import parse_toml, read_text
from topology.model import Name
from topology.source_lines import SourceLines
from topology.strict import Problems, check


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One campaign. Exactly one of `controller` (whose fleet measures) and `sites` (this machine
    measures the streams that begin at an address of its own) says who measures.

    `targets` narrows the report to these targets, in this order; empty means all. `prepared_for`
    stands on the cover. `window_s` and `start_delay_s` matter only for `sites`.
    """

    name: Name
    title: Text
    duration_s: Annotated[float, msgspec.Meta(gt=0, le=2_678_400)]
    controller: str | None = None
    sites: str | None = None
    targets: tuple[str, ...] = ()
    language: Language = "zh"
    prepared_for: Text | None = None
    window_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 10.0


def load_campaign(path: pathlib.Path) -> Campaign:
    """Read and check a campaign file. Raises ConfigError with line, key and nearest known word."""
    text = read_text(path, Text("campaign file", "专项测量文件"))
    raw = parse_toml(text, path)
    for key in ("title", "prepared_for"):
        if isinstance(raw.get(key), str):
            raw[key] = {"en": raw[key], "zh": raw[key]}
    problems = Problems(path, SourceLines(text))
    check(raw, Campaign, (), problems)
    if "controller" in raw and "sites" in raw:
        problems.add(
            ("sites",),
            "`controller` and `sites` exclude each other: keep the one that says who measures",
            "`controller` 与 `sites` 只能二选一：请保留实际执行测量的一方",
        )
    problems.raise_if_any()
    campaign = msgspec.convert(raw, Campaign)
    if campaign.sites is None:
        return campaign
    # A path in a file means a place beside that file, wherever the command is run.
    return msgspec.structs.replace(campaign, sites=str(path.parent / campaign.sites))
