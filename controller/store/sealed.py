"""What was sealed is what is read: the content of a baseline against its hash."""

from __future__ import annotations

import hashlib
import zlib

from controller.store.interface import BaselineRecord
from foundation.errors import RemoteProtocolError


def sealed_content(record: BaselineRecord) -> bytes:
    """Return the content of a baseline. Raises RemoteProtocolError if it is not what was sealed."""
    try:
        raw = zlib.decompress(record.content)
    except zlib.error:
        raw = b""
    if hashlib.sha256(raw).hexdigest() != record.digest:
        raise RemoteProtocolError(
            f"The baseline {record.name} is not what was sealed (its hash differs); restore it "
            "from a backup.",
            f"基线 {record.name} 与封存内容不符（哈希不一致）；请从备份恢复。",
            name=record.name,
        )
    return raw
