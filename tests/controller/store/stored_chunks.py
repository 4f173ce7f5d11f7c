"""Chunks as a store is given them."""

from controller.store.records import StoredChunk


def chunk(
    agent: str = "nanjing", sequence: int = 0, start_ns: int = 100, **more: object
) -> StoredChunk:
    values = {
        "agent": agent,
        "boot": "b0",
        "sequence": sequence,
        "plan_version": 1,
        "start_ns": start_ns,
        "duration_ns": 10,
        "counts": {"windows": 3},
        "received_ns": 500,
        "payload": f"{agent}/{sequence}".encode(),
    }
    return StoredChunk(**(values | more))  # type: ignore[arg-type]  # a test's shorthand
