"""Chunks as a store is given them."""

from controller.store.records import StoredChunk
from probes.window import WindowBatch


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


def chunk_of_batch(
    batch: WindowBatch, payload: bytes, agent: str = "nanjing", sequence: int = 0, **more: object
) -> StoredChunk:
    """Return the chunk of an agent's windows, whose octets are `payload`."""
    own = {
        "duration_ns": batch.duration_ns,
        "counts": {"windows": batch.rows},
        "received_ns": batch.start_ns,
        "payload": payload,
    }
    return chunk(agent, sequence, batch.start_ns, **(own | more))
