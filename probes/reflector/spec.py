"""What a reflector must answer on, and who may ask it."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ReflectorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One address the agent must answer STAMP on, and who may ask.

    `peers` are source addresses or prefixes; an empty tuple lets nobody in. Of those that
    `authenticated` names too, only authenticated requests (RFC 8762 §4.2.2) are answered.
    """

    address: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    peers: tuple[str, ...]
    authenticated: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
