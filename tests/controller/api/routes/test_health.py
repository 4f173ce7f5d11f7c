"""Is it alive, and how is it."""

from typing import Any

from tests.controller.api.conftest import stream_ids


async def test_alive(controller: Any) -> None:
    assert await controller.get("/healthz") == {"status": "ok"}


async def test_health_counts_what_was_taken_and_refused(measured: Any) -> None:
    await measured.deliver("nanjing", b"rubbish", 400)
    health = await measured.get("/api/v1/health")
    assert health["ingest"]["windows"] == 3 * len(stream_ids(measured, "nanjing"))
    assert health["ingest"]["refused"] == {"malformed_chunk": 1}
    assert health["store"]["state"] == "ok"
    assert health["agents"] == {
        "ok": 1,
        "late": 0,
        "no_data": 0,
        "agent_down": 0,
        "never_seen": 1,
        "maintenance": 0,
    }
