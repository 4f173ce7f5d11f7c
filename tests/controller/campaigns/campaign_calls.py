"""Campaigns asked of a controller over its API, and what it says of them."""

import asyncio
from typing import Any

from messages.exchange import Plan

SECOND_NS = 1_000_000_000
PAIR = {
    "name": "pair",
    "kind": "list",
    "pairs": [["nanjing", "suzhou"]],
    "one_way": True,
    "ip_versions": [4],
    "carriers": "same",
}
VOICE = PAIR | {
    "stream": [
        {"protocol": "udp", "port": 8620, "dscp": 46, "interval_ms": 20, "flows": 4},
        {"protocol": "icmp", "interval_ms": 100},
    ]
}


def asked(name: str = "voice", **more: Any) -> dict[str, Any]:
    title = {"en": "Voice", "zh": "语音"}
    return {"name": name, "title": title, "duration_s": 60, "mesh": [VOICE]} | more


async def post(controller: Any, body: dict[str, Any], status: int = 201, route: str = "s") -> Any:
    address = f"http://controller/api/v1/campaign{route}"
    async with controller.session.post(address, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def cancel(controller: Any, name: str, status: int = 200) -> Any:
    address = f"http://controller/api/v1/campaigns/{name}"
    async with controller.session.delete(address) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def show(controller: Any, name: str = "voice") -> Any:
    return await controller.get(f"/api/v1/campaigns/{name}")


async def log_of(controller: Any, query: str) -> list[tuple[str, str]]:
    """Return (subject, state) of events, newest first, once all that were told are written."""
    await asyncio.wrap_future(
        controller.services.store.event_log.append([], [])
    )  # behind all others
    found = await controller.get(f"/api/v1/event-log?{query}")
    return [(event["subject"], event["state"]) for event in found["items"]]


async def states_of(controller: Any, name: str) -> list[str]:
    """Return what the event log has of a campaign, oldest first."""
    found = await log_of(controller, f"kind=campaign&subject={name}")
    return [state for _, state in reversed(found)]


def dscp46(plan: Plan) -> list[Any]:
    return [spec for spec in plan.streams if spec.type_p.dscp == 46]
