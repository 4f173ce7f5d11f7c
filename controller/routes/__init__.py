"""The routes of the API, one module per subject."""

from controller import control
from controller.routes import (
    agents,
    audit,
    baselines,
    document,
    enrolment,
    event_log,
    events,
    groups,
    health,
    maintenance,
    matrix,
    paths,
    remedy,
    rings,
    sites,
    streams,
    targets,
    verdicts,
    windows,
)
from controller.routing import Route

ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *sites.ROUTES,
    *agents.ROUTES,
    *control.ROUTES,
    *targets.ROUTES,
    *groups.ROUTES,
    *remedy.ROUTES,
    *rings.ROUTES,
    *paths.ROUTES,
    *streams.ROUTES,
    *verdicts.ROUTES,
    *event_log.ROUTES,
    *maintenance.ROUTES,
    *baselines.ROUTES,
    *matrix.ROUTES,
    *windows.ROUTES,
    *events.ROUTES,
    *enrolment.ROUTES,
    *audit.ROUTES,
    *document.ROUTES,
)
