"""Who asks, and what each may do: the roles, the identities and the rule that joins them.

Pure: no request, no database. A route declares one `Access`; an identity is what a credential
proved: the owner of the unix socket, an API token, or an agent by its certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "operator", "admin"]
Access = Literal["anyone", "agent", "viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a credential proved.

    `name` is the token's label, the agent's name or the peer's user; `credential` the token's id or
    the certificate's serial number in hexadecimal. Agents have no role: they speak for themselves
    alone. `expires_ns` is when the credential ends by itself (None: never).
    """

    kind: Literal["owner", "token", "agent"]
    name: str
    credential: str = ""
    role: Role | None = None
    expires_ns: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def permits(identity: Identity, access: Access, agent: str | None) -> bool:
    """Return whether `identity` may use a route of `access` that is about `agent` (or nobody).

    A route of an agent is for that very agent, and for the owner of the machine's socket, which
    is where the agents of a lab and of an embedded controller come in.
    """
    if access == "anyone":
        return True
    if access == "agent":
        return identity.kind == "owner" or (identity.kind == "agent" and identity.name == agent)
    if identity.role is None:
        return False
    return ROLES.index(identity.role) >= ROLES.index(access)
