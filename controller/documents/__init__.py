"""What the API says, declared once: the server encodes these, OpenAPI is generated from them.

Times are nanoseconds since 1970 (`*_ns`), delays nanoseconds, ratios 0-1; what is unknown is null.
docs/reference/api.md describes each item for people. One module an idea; import from here.
"""

from controller.documents.accounts import AccountDocument, LeftOutDocument
from controller.documents.baselines import BaselineDocument, BaselinePage
from controller.documents.campaigns import (
    CampaignDocument,
    CampaignLoad,
    CampaignPage,
    CampaignRequest,
    CampaignResult,
    CampaignStateName,
    LoadAt,
)
from controller.documents.certificates import (
    CertificatePage,
    CertificateState,
    IssuedCertificate,
)
from controller.documents.errors import ErrorBody, ErrorDocument
from controller.documents.events import (
    EventDocument,
    EventPage,
    EventsMessage,
    StateDocument,
    StatePage,
    SubjectKind,
    VerdictsEvent,
)
from controller.documents.health import (
    Alive,
    ControllerHealth,
    IngestHealth,
    Ready,
    StoreHealth,
)
from controller.documents.maintenance import (
    MaintenanceDocument,
    MaintenancePage,
    MaintenanceRequest,
)
from controller.documents.paths import (
    CurtailmentDocument,
    DistanceDocument,
    EndDocument,
    Figures,
    PathDocument,
    PathPage,
    PathStream,
    SilenceDocument,
    StreamDocument,
    StreamPage,
)
from controller.documents.places import (
    AgentDocument,
    AgentPage,
    AnotherAgent,
    InterfaceDocument,
    SiteDocument,
    SitePage,
)
from controller.documents.remedies import (
    RemedyDocument,
    RemedyPath,
    RemedyShare,
    RingDocument,
    RingSite,
)
from controller.documents.series import SeriesDocument, SeriesStream
from controller.documents.targets import (
    ComplianceDocument,
    Declared,
    GroupDocument,
    GroupPage,
    TargetDocument,
    TargetPage,
    VerdictCounts,
)
from controller.documents.verdicts import (
    ComparisonDocument,
    IntervalDocument,
    MatrixCell,
    MatrixDocument,
    OtherReading,
    VerdictDocument,
    VerdictPage,
)
from controller.documents.windows import FlowDocument, WindowDocument, WindowPage
from controller.documents.words import AgentState, EventKindName, IpVersion, PathState, Protocol

__all__ = [
    "AccountDocument",
    "AgentDocument",
    "AgentPage",
    "AgentState",
    "Alive",
    "AnotherAgent",
    "BaselineDocument",
    "BaselinePage",
    "CampaignDocument",
    "CampaignLoad",
    "CampaignPage",
    "CampaignRequest",
    "CampaignResult",
    "CampaignStateName",
    "CertificatePage",
    "CertificateState",
    "ComparisonDocument",
    "ComplianceDocument",
    "ControllerHealth",
    "CurtailmentDocument",
    "Declared",
    "DistanceDocument",
    "EndDocument",
    "ErrorBody",
    "ErrorDocument",
    "EventDocument",
    "EventKindName",
    "EventPage",
    "EventsMessage",
    "Figures",
    "FlowDocument",
    "GroupDocument",
    "GroupPage",
    "IngestHealth",
    "InterfaceDocument",
    "IntervalDocument",
    "IpVersion",
    "IssuedCertificate",
    "LeftOutDocument",
    "LoadAt",
    "MaintenanceDocument",
    "MaintenancePage",
    "MaintenanceRequest",
    "MatrixCell",
    "MatrixDocument",
    "OtherReading",
    "PathDocument",
    "PathPage",
    "PathState",
    "PathStream",
    "Protocol",
    "Ready",
    "RemedyDocument",
    "RemedyPath",
    "RemedyShare",
    "RingDocument",
    "RingSite",
    "SeriesDocument",
    "SeriesStream",
    "SilenceDocument",
    "SiteDocument",
    "SitePage",
    "StateDocument",
    "StatePage",
    "StoreHealth",
    "StreamDocument",
    "StreamPage",
    "SubjectKind",
    "TargetDocument",
    "TargetPage",
    "VerdictCounts",
    "VerdictDocument",
    "VerdictPage",
    "VerdictsEvent",
    "WindowDocument",
    "WindowPage",
]
