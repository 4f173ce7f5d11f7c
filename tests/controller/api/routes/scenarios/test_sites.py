"""The sites of the network."""

from typing import Any


async def test_sites_say_how_their_agents_are(measured: Any) -> None:
    sites = {item["name"]: item for item in (await measured.get("/api/v1/sites"))["items"]}
    assert {name: item["agent_state"] for name, item in sites.items()} == {
        "nanjing": "ok",
        "suzhou": "never_seen",
        "router": "none",
    }
