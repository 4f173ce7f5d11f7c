"""Sites, and the agents that are in them."""

from __future__ import annotations

import msgspec

from tui.documents.titles import Title


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A place."""

    name: str
    title: Title = Title()
    city: str | None = None
    metro: str | None = None
    province: str | None = None
    hub: str | None = None
    roles: list[str] = []
    important: bool = False
    external: bool = False
    agent_state: str | None = None
    inventory: dict[str, float] = {}


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something about an agent that a person should know."""

    code: str = ""
    severity: str = "info"
    text: Title = Title()


class AgentHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent says it is."""

    version: str | None = None
    plan_version: int | None = None
    streams: int | None = None
    timestamping: str | None = None
    clock_source: str | None = None
    clock_bound_ns: float | None = None
    spool_chunks: int | None = None
    spool_bytes: int | None = None
    spool_dropped_windows: int | None = None
    cpu_ratio: float | None = None
    resident_bytes: int | None = None
    conditions: list[Condition] = []


class SiteClock(msgspec.Struct, frozen=True, kw_only=True):
    """What the mesh of sites says of an agent's clock."""

    suspected: bool = False
    offset_ns: float | None = None
    error_ns: float | None = None
    pairs: int = 0
    triangles: int = 0


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent with its last health, and what other sites say of its clock."""

    name: str
    state: str = "never_seen"
    last_seen_ns: int | None = None
    plan_version: int | None = None
    wanted_plan_version: int | None = None
    last_window_ns: int | None = None
    windows_stored: int | None = None
    health: AgentHealth | None = None
    clock: SiteClock | None = None
