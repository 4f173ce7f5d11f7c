"""What is kept, to be read and nothing else: all that was, beside the snapshot of how it is now."""

from __future__ import annotations

from controller.access.credential_store import CredentialStore
from controller.store.interface import Store


class Archive:
    """Reads the store and the credentials; nothing can be written through it.

    Each reading is as its store describes it. They block.
    """

    def __init__(self, store: Store, access: CredentialStore) -> None:
        self.state = store.state
        self.chunks_of, self.chunks_since = store.windows.chunks_of, store.windows.chunks_since
        self.series = store.series.read
        self.plans = store.plans.history
        self.baselines = store.baselines.all
        self.events = store.event_log.events
        self.campaign_report = store.campaigns.report
        self.certificates, self.audited = access.issued, access.audited
