"""The credential store: which tokens and certificates there are, and which still stand.

Secrets are kept as SHA-256 only; they are 256 random bits, so nothing slower is needed. Other
processes (`isochrone controller token`, `revoke`) write the same database: `refresh` notices, and
every check of a credential refreshes first. What lets somebody in is decided in the transaction
that writes it down: a revocation comes before it or after it, never in between.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import pathlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from controller.access.audit_log import AuditEntry, add_entry, entries
from controller.access.credentials import (
    CertificateRecord,
    TokenRecord,
    refuse_ended_certificate,
    refuse_ended_token,
    refuse_frequent_renewals,
    revoked_certificate,
    unknown_api_token,
    unknown_enrolment_token,
)
from controller.access.key_database import open_tables, transaction
from controller.access.roles import Identity, Role
from controller.access.stamp_keyring import forget_holder, shut_out
from foundation.clock import Clock
from messages.enrolment import API_PREFIX, EnrolmentToken

SECRET_BYTES = 32
KEPT_CERTIFICATES = 64  # of an agent; what is older counts as little as if it had been forgotten


class CredentialStore:
    """The credentials of one data directory. Calls from any thread; writes are committed."""

    def __init__(self, data: pathlib.Path, clock: Clock) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._connection = open_tables(data)
        # Notices others' changes without waiting for a write of ours that is under way.
        self._watch, self._watching = open_tables(data), threading.Lock()
        self._seen = -1
        self._tokens: dict[str, TokenRecord] = {}
        self._certificates: dict[str, CertificateRecord] = {}
        self._barred: set[str] = set()
        self.refresh()

    def audit(
        self, *, actor: str, action: str, subject: str, result: str = "ok", detail: str = ""
    ) -> None:
        """Write down a change."""
        with self._writing() as connection:
            add_entry(
                connection,
                self.clock.wall_ns(),
                actor=actor,
                action=action,
                subject=subject,
                result=result,
                detail=detail,
            )

    def audited(self, *, before_id: int, from_ns: int, to_ns: int, limit: int) -> list[AuditEntry]:
        """Return lines of the audit log, newest first; see `audit_log.entries`."""
        with self._lock:
            return entries(
                self._connection, before_id=before_id, from_ns=from_ns, to_ns=to_ns, limit=limit
            )

    def close(self) -> None:
        """Let go of the database."""
        with self._lock, self._watching:
            self._connection.close()
            self._watch.close()

    def refresh(self) -> bool:
        """Read again what another process changed; True if it did."""
        if self._version() == self._seen:
            return False
        with self._lock:
            self._read()
        return True

    def _version(self) -> int:
        with self._watching:
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def _read(self) -> None:
        """Read everything, no older than the version that is noted. The caller holds the lock."""
        seen = self._version()
        rows = self._connection.execute("SELECT * FROM tokens ORDER BY created_ns, id")
        self._tokens = {row["id"]: TokenRecord(**dict(row)) for row in rows}
        rows = self._connection.execute("SELECT * FROM certificates ORDER BY issued_ns, serial")
        self._certificates = {row["serial"]: CertificateRecord(**dict(row)) for row in rows}
        rows = self._connection.execute("SELECT agent FROM barred")
        self._barred = {row["agent"] for row in rows}
        self._seen = seen

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            with transaction(self._connection):
                yield self._connection
            self._read()

    # Tokens

    def tokens(self) -> list[TokenRecord]:
        """Return every token, oldest first."""
        return list(self._tokens.values())

    def create_api_token(self, role: Role, label: str, expires_ns: int | None) -> str:
        """Return a new API token; this is the only time its text is to be had."""
        token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
        self._add_token(token_id, secret, role, None, label, expires_ns)
        return f"{API_PREFIX}.{token_id}.{secret}"

    def create_enrolment_token(self, agent: str, fingerprint: str, expires_ns: int) -> str:
        """Return a new one-time token for `agent`; the only time its text is to be had."""
        token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
        self._add_token(token_id, secret, None, agent, agent, expires_ns)
        return EnrolmentToken(token_id, secret, fingerprint, agent).text()

    def _add_token(
        self,
        token_id: str,
        secret: str,
        role: Role | None,
        agent: str | None,
        label: str,
        expires_ns: int | None,
    ) -> None:
        row = (token_id, role, agent, label, _digest(secret), self.clock.wall_ns(), expires_ns)
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO tokens (id, role, agent, label, digest, created_ns, expires_ns) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def revoke_token(self, token_id: str) -> bool:
        """End a token; False where there is none, or it was revoked before."""
        with self._writing() as connection:
            cursor = connection.execute(
                "UPDATE tokens SET revoked_ns = ? WHERE id = ? AND revoked_ns IS NULL",
                (self.clock.wall_ns(), token_id),
            )
            return cursor.rowcount == 1

    def identity_of_token(self, text: str) -> Identity:
        """Return who shows an API token. Raises CredentialError where it does not count."""
        prefix, _, rest = text.partition(".")
        token_id, _, secret = rest.partition(".")
        record = self._token(token_id)
        genuine = record is not None and hmac.compare_digest(record.digest, _digest(secret))
        if prefix != API_PREFIX or record is None or record.role is None or not genuine:
            raise unknown_api_token()
        refuse_ended_token(record, self.clock.wall_ns())
        return Identity(
            kind="token",
            name=f"{record.label} ({record.id})",
            credential=record.id,
            role=record.role,
            expires_ns=record.expires_ns,
        )

    def _token(self, token_id: str) -> TokenRecord | None:
        """Return a token; one that was made a moment ago by the command line is known too."""
        if token_id not in self._tokens:
            self.refresh()
        return self._tokens.get(token_id)

    def enrolling(self, token: EnrolmentToken) -> TokenRecord:
        """Return the record of an enrolment token. Raises CredentialError where it is no good."""
        record = self._token(token.id)
        genuine = record is not None and hmac.compare_digest(record.digest, _digest(token.secret))
        if record is None or record.agent != token.agent or not genuine:
            raise unknown_enrolment_token()
        refuse_ended_token(record, self.clock.wall_ns())
        return record

    # Certificates

    def enrol(self, token_id: str, certificate: CertificateRecord) -> None:
        """Use up a token for a certificate; the agent's earlier certificates end with that.

        Raises CredentialError if the token was used, or ended, in the meantime.
        """
        with self._writing() as connection:
            now_ns = self.clock.wall_ns()
            row = connection.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
            if row is None or row["agent"] != certificate.agent:
                raise unknown_enrolment_token()
            refuse_ended_token(TokenRecord(**dict(row)), now_ns)
            connection.execute("UPDATE tokens SET used_ns = ? WHERE id = ?", (now_ns, token_id))
            forget_holder(connection, certificate.agent)
            if self._revoke_certificates(connection, certificate.agent):
                shut_out(connection, certificate.agent, now_ns)
            self._insert(connection, certificate)

    def renewed(self, certificate: CertificateRecord, shown: Identity) -> None:
        """Remember a certificate that replaces the one that was shown, if that still stands.

        Raises CredentialError where it does not, or where renewals follow one another too fast.
        """
        with self._writing() as connection:
            now_ns = self.clock.wall_ns()
            rows = connection.execute(
                "SELECT * FROM certificates WHERE agent = ? ORDER BY issued_ns DESC, serial",
                (certificate.agent,),
            ).fetchall()
            records = [CertificateRecord(**dict(row)) for row in rows]
            barred = connection.execute(
                "SELECT 1 FROM barred WHERE agent = ?", (certificate.agent,)
            ).fetchone()
            if shown.kind == "agent":
                mine = next((one for one in records if one.serial == shown.credential), None)
                refuse_ended_certificate(shown, mine, now_ns, barred=barred is not None)
            elif barred is not None and all(one.revoked_ns is not None for one in records):
                raise revoked_certificate(certificate.agent)
            refuse_frequent_renewals(records, now_ns)
            self._insert(connection, certificate)
            connection.executemany(
                "DELETE FROM certificates WHERE serial = ?",
                [(one.serial,) for one in records[KEPT_CERTIFICATES - 1 :]],
            )

    def revoke_agent(self, agent: str) -> int:
        """End all certificates, keys and unused enrolment tokens of an agent.

        Returns how many certificates and tokens ended.
        """
        with self._writing() as connection:
            shut_out(connection, agent, self.clock.wall_ns())
            tokens = connection.execute(
                "UPDATE tokens SET revoked_ns = ? "
                "WHERE agent = ? AND revoked_ns IS NULL AND used_ns IS NULL",
                (self.clock.wall_ns(), agent),
            )
            return self._revoke_certificates(connection, agent) + tokens.rowcount

    def issued(self) -> list[CertificateRecord]:
        """Return every certificate, oldest first."""
        return list(self._certificates.values())

    def certificates(self, agent: str) -> list[CertificateRecord]:
        """Return the certificates given to an agent, oldest first."""
        return [record for record in self._certificates.values() if record.agent == agent]

    def _revoke_certificates(self, connection: sqlite3.Connection, agent: str) -> int:
        now_ns = self.clock.wall_ns()
        connection.execute("INSERT OR REPLACE INTO barred VALUES (?, ?)", (agent, now_ns))
        return connection.execute(
            "UPDATE certificates SET revoked_ns = ? WHERE agent = ? AND revoked_ns IS NULL",
            (now_ns, agent),
        ).rowcount

    @staticmethod
    def _insert(connection: sqlite3.Connection, certificate: CertificateRecord) -> None:
        connection.execute(
            "INSERT INTO certificates (serial, agent, issued_ns, expires_ns) VALUES (?, ?, ?, ?)",
            (certificate.serial, certificate.agent, certificate.issued_ns, certificate.expires_ns),
        )

    # What still stands

    def check(self, identity: Identity) -> None:
        """Raise CredentialError if a credential that was good once has ended since."""
        with contextlib.suppress(sqlite3.Error):  # told by who looks after the keys
            self.refresh()
        now_ns = self.clock.wall_ns()
        if identity.kind == "token":
            record = self._tokens.get(identity.credential)
            if record is None:
                raise unknown_api_token()
            refuse_ended_token(record, now_ns)
        if identity.kind == "agent":
            known = self._certificates.get(identity.credential)
            barred = identity.name in self._barred
            refuse_ended_certificate(identity, known, now_ns, barred=barred)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
