"""The parts of the controller's API that the terminal shows (docs/reference/api.md).

New fields of a newer controller are ignored, missing fields are absent: a terminal may be older or
newer than the controller it watches. Absent is None (null), never 0. One module an idea; import
from here.
"""

from tui.documents.controller import Event, Health, Listing, StoreHealth
from tui.documents.paths import Distance, End, Figures, FlowFigures, Path, StreamLine, Window
from tui.documents.places import Agent, AgentHealth, Condition, Site, SiteClock
from tui.documents.targets import Compliance, Counts, Declared, Group, SourceDocument, Target
from tui.documents.titles import Title
from tui.documents.verdicts import (
    OtherReading,
    Remediation,
    RemediationPath,
    RemediationShare,
    Ring,
    RingSite,
    Verdict,
)

__all__ = [
    "Agent",
    "AgentHealth",
    "Compliance",
    "Condition",
    "Counts",
    "Declared",
    "Distance",
    "End",
    "Event",
    "Figures",
    "FlowFigures",
    "Group",
    "Health",
    "Listing",
    "OtherReading",
    "Path",
    "Remediation",
    "RemediationPath",
    "RemediationShare",
    "Ring",
    "RingSite",
    "Site",
    "SiteClock",
    "SourceDocument",
    "StoreHealth",
    "StreamLine",
    "Target",
    "Title",
    "Verdict",
    "Window",
]
