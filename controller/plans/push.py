"""Pushing a plan: signed, and never with a number the agent has gone beyond."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from controller.state import ControllerState
from controller.store.interface import PlanRecord
from probes.enrolment import plan_message
from probes.exchange import PlanPush

MAX_VERSION = 1 << 53  # beyond this JSON numbers are no longer exact everywhere
logger = logging.getLogger("isochrone.controller")


def push_of(state: ControllerState, name: str) -> str:
    """Return the message that gives agent `name` its plan."""
    plan = state.plans[name]
    signature = ""
    if state.authority is not None:
        # msgspec writes a struct inside another as it writes it alone: these are the bytes pushed.
        signature = state.authority.sign_plan(plan_message(msgspec.json.encode(plan)))
    return msgspec.json.encode(PlanPush(plan=plan, signature=signature)).decode()


async def outnumber(state: ControllerState, name: str, running: int | None) -> None:
    """Give the plan a higher number if the agent runs a higher one than we know of; committed.

    That is so after our data was restored from a backup; the agent would refuse every older plan.
    """
    plan = state.plans[name]
    if running is None or not plan.version < running < MAX_VERSION:
        return
    logger.warning("%s runs plan %d, ours is %d: numbered anew", name, running, plan.version)
    content = msgspec.json.encode(msgspec.structs.replace(plan, version=0))
    record = PlanRecord(agent=name, version=running + 1, content=content)
    await asyncio.wrap_future(state.store.put_plans([record], state.clock.wall_ns()))
    state.plans[name] = msgspec.structs.replace(plan, version=running + 1)
