"""How an agent and a controller come to trust each other, declared once for both.

An enrolment token is text that a person carries from the controller to the agent:
``isoe.<id>.<secret>.<fingerprint>.<agent>``. The fingerprint (SHA-256 of the controller's authority
certificate in DER) lets the agent know the controller before it shows it the secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from foundation.errors import ConfigError
from messages.exchange import AgentName

ENROLMENT_PATH = "/api/v1/enrolment"
ENROLMENT_PREFIX = "isoe"
API_PREFIX = "isoa"
AGENT_URI = "isochrone://agent/"  # subject alternative name of an agent's certificate

_TOKEN = re.compile(
    r"isoe\.([0-9a-f]{8})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})\."
    r"([a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?)"
)


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """A token in its parts. `secret` is left out when it is shown."""

    id: str
    secret: str
    fingerprint: str
    agent: str

    def text(self) -> str:
        """Return the token as it is handed over."""
        return f"{ENROLMENT_PREFIX}.{self.id}.{self.secret}.{self.fingerprint}.{self.agent}"

    def __repr__(self) -> str:
        return f"EnrolmentToken({self.id} for {self.agent})"


def parse_enrolment_token(text: str) -> EnrolmentToken:
    """Return the parts of a token. Raises ConfigError for what is none."""
    found = _TOKEN.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            "This is not an enrolment token; copy the whole line that `isochrone controller token "
            "create --enrol AGENT` printed.",
            "这不是有效的注册令牌；请使用 `isochrone controller token create --enrol AGENT` "
            "输出的完整一行。",
        )
    return EnrolmentToken(*found.groups())


class AuthorityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The controller's authority: its certificate (PEM), which is no secret."""

    authority: str


class EnrolmentRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of an enrolment: the one-time token, and a certificate signing request (PEM)."""

    token: str
    request: str

    def __repr__(self) -> str:
        return "EnrolmentRequest(…)"


class RenewalRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a renewal, which the certificate of the connection vouches for."""

    request: str


class CertificateDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent is given: its certificate, the authority, the key that signs its plans.

    `plan_key` is the raw Ed25519 public key in hexadecimal.
    """

    agent: AgentName
    certificate: str
    authority: str
    plan_key: str


def plan_message(plan_json: bytes, keys_json: bytes = b"") -> bytes:
    """Return what the signature of a plan, and of the keys beside it, is made over.

    The prefix keeps it from meaning else; the length tells where the plan ends.
    """
    if not keys_json:
        return b"isochrone plan 1\n" + plan_json
    return b"isochrone plan and keys 1 %d\n" % len(plan_json) + plan_json + keys_json
