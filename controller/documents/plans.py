"""The history of an agent's plans: what a version says, and what changed from one to another."""

from __future__ import annotations

import msgspec

from controller.store.records import PlanRecord
from messages.exchange import Plan
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec


class PlanSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One version in a list."""

    version: int
    created_ns: int
    window_ms: int
    streams: int
    reflectors: int


class PlanPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an agent's plans, newest first."""

    items: list[PlanSummary]
    next: str | None = None


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One version whole, as the agent got it."""

    created_ns: int
    plan: Plan


class StreamChange(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that both plans have, with other parameters."""

    before: StreamSpec
    after: StreamSpec


class ReflectorChange(msgspec.Struct, frozen=True, kw_only=True):
    """A reflector's address and port with the peers that were admitted and shut out, and those that
    must authenticate themselves, or need no longer."""

    address: str
    port: int
    peers_added: list[str]
    peers_removed: list[str]
    authenticated_added: list[str] = []
    authenticated_removed: list[str] = []


class PlanDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What version `version` of an agent's plan changed against version `against`."""

    agent: str
    version: int
    against: int
    window_ms_before: int
    window_ms: int
    streams_added: list[StreamSpec]
    streams_removed: list[StreamSpec]
    streams_changed: list[StreamChange]
    reflectors: list[ReflectorChange]


def plan_of(record: PlanRecord) -> Plan:
    """Return a plan as its agent got it."""
    content = msgspec.json.decode(record.content, type=Plan)
    return msgspec.structs.replace(content, version=record.version)


def nothing_before(plan: Plan) -> Plan:
    """Return what there was before the first plan: nothing, version 0."""
    return Plan(version=0, agent=plan.agent, window_ms=plan.window_ms)


def plan_document(record: PlanRecord) -> PlanDocument:
    """Return a version whole."""
    return PlanDocument(created_ns=record.created_ns, plan=plan_of(record))


def plan_summary(record: PlanRecord) -> PlanSummary:
    """Return a version as a list has it."""
    plan = plan_of(record)
    return PlanSummary(
        version=record.version,
        created_ns=record.created_ns,
        window_ms=plan.window_ms,
        streams=len(plan.streams),
        reflectors=len(plan.reflectors),
    )


def difference(before: Plan, after: Plan) -> PlanDifference:
    """Return what `after` changed against `before`, streams in the order of their numbers."""
    old = {spec.stream_id: spec for spec in before.streams}
    new = {spec.stream_id: spec for spec in after.streams}
    both = [number for number in sorted(old.keys() & new.keys()) if old[number] != new[number]]
    return PlanDifference(
        agent=after.agent,
        version=after.version,
        against=before.version,
        window_ms_before=before.window_ms,
        window_ms=after.window_ms,
        streams_added=[new[number] for number in sorted(new.keys() - old.keys())],
        streams_removed=[old[number] for number in sorted(old.keys() - new.keys())],
        streams_changed=[StreamChange(before=old[n], after=new[n]) for n in both],
        reflectors=_reflectors(before.reflectors, after.reflectors),
    )


def _reflectors(
    before: tuple[ReflectorSpec, ...], after: tuple[ReflectorSpec, ...]
) -> list[ReflectorChange]:
    old = {(spec.address, spec.port): spec for spec in before}
    new = {(spec.address, spec.port): spec for spec in after}
    changes = []
    for place in sorted(old.keys() | new.keys()):
        (had, was_bound), (has, is_bound) = _asking(old.get(place)), _asking(new.get(place))
        if (had, was_bound) != (has, is_bound):
            changes.append(
                ReflectorChange(
                    address=place[0],
                    port=place[1],
                    peers_added=sorted(has - had),
                    peers_removed=sorted(had - has),
                    authenticated_added=sorted(is_bound - was_bound),
                    authenticated_removed=sorted(was_bound - is_bound),
                )
            )
    return changes


def _asking(spec: ReflectorSpec | None) -> tuple[set[str], set[str]]:
    """Return who may ask, and who must authenticate himself."""
    if spec is None:
        return set(), set()
    return set(spec.peers), set(spec.authenticated or ())
