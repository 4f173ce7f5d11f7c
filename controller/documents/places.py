"""Sites, and the agents that stand in them."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.documents.clocks import ClockDocument
from controller.documents.words import IpVersion
from controller.fleet.agents import AgentState
from foundation.text import Text
from messages.exchange import Health
from topology.model import Role


class InterfaceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a site on one carrier's network."""

    id: str
    carrier: str
    address: str
    ip_version: IpVersion


class SiteDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A place; `agent_state` is ``none`` where no agent of ours is meant to be."""

    name: str
    title: Text
    latitude_deg: float
    longitude_deg: float
    city: str
    metro: str | None
    province: str | None
    hub: str | None
    roles: list[Role]
    important: bool
    external: bool
    labels: list[str]
    interfaces: list[InterfaceDocument]
    agent_state: AgentState | Literal["none"]
    inventory: dict[str, float]


class DuplicateAgent(msgspec.Struct, frozen=True, kw_only=True):
    """A second agent of one name, of another boot: when it was last refused."""

    boot: str
    refused_ns: int


class AgentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as the controller knows it; `health` as it was last sent, `clock` by the mesh,
    results by the kind of section that brought them."""

    name: str
    state: AgentState
    last_seen_ns: int | None
    plan_version: int | None
    wanted_plan_version: int
    last_window_ns: int | None
    windows_stored: int
    results_stored: dict[str, int]
    health: Health | None
    clock: ClockDocument | None = None
    duplicate: DuplicateAgent | None = None


class SitePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sites."""

    items: list[SiteDocument]
    next: str | None = None


class AgentPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of agents."""

    items: list[AgentDocument]
    next: str | None = None
