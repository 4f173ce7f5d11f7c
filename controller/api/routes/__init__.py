"""The routes of the API, one module per subject."""

from controller.api.routes import (
    agents,
    audit,
    baselines,
    campaigns,
    control,
    enrolment,
    events,
    export,
    health,
    maintenance,
    network,
    plans,
    targets,
    verdicts,
    windows,
)
from controller.api.routing import Route

ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *network.ROUTES,
    *agents.ROUTES,
    *control.ROUTES,
    *plans.ROUTES,
    *targets.ROUTES,
    *verdicts.ROUTES,
    *windows.ROUTES,
    *events.ROUTES,
    *maintenance.ROUTES,
    *baselines.ROUTES,
    *campaigns.ROUTES,
    *export.ROUTES,
    *enrolment.ROUTES,
    *audit.ROUTES,
)
