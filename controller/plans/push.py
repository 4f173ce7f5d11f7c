"""Pushing a plan: signed, and never with a number the agent has gone beyond."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

import msgspec
from aiohttp import web

from controller.plans.keys import keys_of
from controller.state import ControllerState
from controller.store.interface import PlanRecord
from messages.enrolment import plan_message
from messages.exchange import PlanPush, StampKeys

PUSH_LIMIT_S = 5.0
MOST_LOST = 1 << 20  # versions that a restored backup may not know
MAX_VERSION = 1 << 53  # beyond this JSON numbers are no longer exact everywhere
logger = logging.getLogger("isochrone.controller")


def push_of(state: ControllerState, name: str) -> str:
    """Return the message that gives agent `name` its plan and the keys that go with it."""
    plan = state.plans[name]
    keys = keys_of(plan, state.owners, state.stamp_keyring)
    signature = ""
    if state.authority is not None:
        # msgspec writes a struct inside another as it writes it alone: these are the bytes pushed.
        keys_json = msgspec.json.encode(keys) if isinstance(keys, StampKeys) else b""
        signature = state.authority.sign_plan(plan_message(msgspec.json.encode(plan), keys_json))
    living = state.channels.living(name)
    push = PlanPush(
        plan=plan, keys=keys, signature=signature, claim="" if living is None else living.claim
    )
    return msgspec.json.encode(push).decode()


async def push_all(state: ControllerState, names: Iterable[str]) -> None:
    """Give these agents their plans, as far as they listen now; others ask when they come back.

    Who cannot be reached tells its version with its next health report, and is answered by it.
    """
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            channel = state.channels.living(name)
            if channel is not None and state.gate.stands(channel.request):
                tasks.create_task(_push(channel.socket, push_of(state, name)), name=f"push {name}")


async def _push(socket: web.WebSocketResponse, message: str) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
        async with asyncio.timeout(PUSH_LIMIT_S):
            await socket.send_str(message)


async def outnumber(state: ControllerState, name: str, running: int | None) -> None:
    """Give the plan a higher number if the agent runs a higher one than we know of; committed.

    That is so after our data was restored from a backup; the agent would refuse every older plan.
    """
    version = state.plans[name].version
    if running is None or not version < running < min(MAX_VERSION, version + MOST_LOST):
        return
    if state.renumberings.wait_s(name) > 0:
        logger.warning(
            "%s runs plan %d, ours is %d; that is said too often", name, running, version
        )
        return
    async with state.planning:  # plans and versions change together
        await _outnumber(state, name, running)


async def _outnumber(state: ControllerState, name: str, running: int) -> None:
    plan = state.plans[name]
    if plan.version >= running:
        return
    logger.warning("%s runs plan %d, ours is %d: numbered anew", name, running, plan.version)
    content = msgspec.json.encode(msgspec.structs.replace(plan, version=0))
    record = PlanRecord(agent=name, version=running + 1, content=content)
    await asyncio.wrap_future(state.store.plans.put([record], state.clock.wall_ns()))
    state.plans = {**state.plans, name: msgspec.structs.replace(plan, version=running + 1)}
