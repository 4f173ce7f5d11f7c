"""How the controller was asked to work, and which one it is."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from controller.store.levels import KEPT, Retention

DEFAULT_WINDOW_MS = 10_000
VERSION = importlib.metadata.version("isochrone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the controller was asked to work."""

    judge_period_ns: int = 900_000_000_000
    judge_every_s: float = 5.0
    requests_per_s: float = 100.0  # of one caller, lasting
    request_burst: int = 400
    metrics_paths: int = 1_000  # paths with Prometheus metrics of their own
    window_ms: int = DEFAULT_WINDOW_MS
    retention: Retention = KEPT
    store_url: str | None = None  # None: as `store.engines.store_url` has it
