"""Sites, the agents that are in them, and the meshes between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from controller.documents.values import IpVersion, finite
from controller.store.event_log import AgentState
from foundation.text import Text
from messages.exchange import Health
from topology.model import Role, Site

if TYPE_CHECKING:
    from controller.live.live_verdicts import Round
    from controller.live.snapshot import Snapshot
    from topology.network import Mesh, Network


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


class MeshDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A mesh of the site file; pairs of sites without direction. `peers` null: all are measured."""

    name: str
    kind: str
    peers: int | None
    pairs: int
    measured_pairs: int
    coverage_ratio: float | None


class MeshPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of meshes."""

    items: list[MeshDocument]
    next: str | None = None


class ClockDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A site's clock as the other sites measure it; all of it null where none of them can.

    `offset_ns` is against the median of the mesh, known to ± `error_ns` (one standard error), from
    `pairs` other sites in `triangles` triangles. `suspected`: it is not within what the agent
    claims, so no one-way verdict is based on it.
    """

    suspected: bool
    offset_ns: float | None
    error_ns: float | None
    pairs: int
    triangles: int


def clock_document(latest: Round, site: str) -> ClockDocument | None:
    """Return what the latest round found of a site's clock; None where no stream touches it."""
    found = latest.clocks
    if found is None or site not in latest.sites:
        return None
    i = latest.sites.index(site)
    return ClockDocument(
        suspected=bool(found.liar[i]),
        offset_ns=finite(found.offset_ns[i]),
        error_ns=finite(found.error_ns[i]),
        pairs=int(found.pairs[i]),
        triangles=int(found.triangles[i]),
    )


def agent_document(now: Snapshot, name: str, stands: AgentState) -> AgentDocument:
    """Return an agent, which `stands` so."""
    agent, duplicate = now.fleet.agents[name], now.duplicates.get(name)
    health = agent.health
    return AgentDocument(
        name=name,
        state=stands,
        last_seen_ns=agent.last_seen_ns,
        plan_version=None if health is None else health.plan_version,
        wanted_plan_version=now.plans[name].version,
        last_window_ns=agent.last_window_ns,
        windows_stored=agent.windows_stored,
        results_stored=dict(agent.results),
        health=health,
        clock=clock_document(now.round, name),
        duplicate=None
        if duplicate is None
        else DuplicateAgent(boot=duplicate.boot, refused_ns=duplicate.seen_ns),
    )


def site_document(site: Site, states: Mapping[str, AgentState]) -> SiteDocument:
    """Return a site; `states` are those of agents by name."""
    return SiteDocument(
        name=site.name,
        title=site.title,
        latitude_deg=site.latitude_deg,
        longitude_deg=site.longitude_deg,
        city=site.city,
        metro=site.metro,
        province=site.province,
        hub=site.hub,
        roles=sorted(site.roles),
        important=site.important,
        external=site.external,
        labels=sorted(site.labels),
        interfaces=[
            InterfaceDocument(
                id=interface.id,
                carrier=interface.carrier,
                address=interface.address,
                ip_version=interface.ip_version,
            )
            for interface in site.interfaces
        ],
        agent_state=states.get(site.name, "none"),
        inventory=dict(site.inventory),
    )


def mesh_document(network: Network, mesh: Mesh) -> MeshDocument:
    """Return a mesh, and how much of it is measured."""
    from topology.mesh import coverage_of  # numpy, which who lists agents need not load

    coverage = coverage_of(network, mesh)
    return MeshDocument(
        name=mesh.name,
        kind=mesh.kind,
        peers=mesh.peers,
        pairs=coverage.possible,
        measured_pairs=coverage.measured,
        coverage_ratio=coverage.ratio,
    )
