"""What a request names, found in a snapshot; what is not there is refused as unknown."""

from __future__ import annotations

from collections.abc import Mapping

from controller.api.error_answers import ApiError
from controller.documents.values import Protocol
from controller.ingest.ingest import unknown_agent
from controller.live.snapshot import Snapshot
from controller.store.records import StreamRecord
from foundation.text import Text


def known_agent(now: Snapshot, name: str) -> str:
    """Return the name of an agent. Raises UnknownError for one that is in no site file."""
    if name not in now.fleet.agents:
        raise unknown_agent(name)
    return name


def number_of(numbers: Mapping[str, int], name: str, kind: str) -> int:
    """Return the number of a named target, path or site. Raises ApiError ``unknown_<kind>``."""
    try:
        return numbers[name]
    except KeyError:
        chinese = {"target": "指标", "path": "路径", "site": "站点"}[kind]
        raise ApiError(
            404,
            f"unknown_{kind}",
            Text(f"There is no {kind} named {name}.", f"没有名为 {name} 的{chinese}。"),
            name=name,
        ) from None


def recorded_on(now: Snapshot, path: str, protocol: Protocol | None) -> list[StreamRecord]:
    """Return every stream ever planned on a path. Raises ApiError for one that never was."""
    recorded = now.scope.catalogue.recorded.get(path)
    if recorded is None:
        text = Text(f"There is no path named {path}.", f"没有名为 {path} 的路径。")
        raise ApiError(404, "unknown_path", text, path=path)
    return [record for record in recorded if protocol in (None, record.protocol)]
