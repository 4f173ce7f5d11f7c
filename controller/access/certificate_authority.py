"""The controller's private authority: made once, it lets servers and agents know each other.

Everything is in `keys/` of the data directory, for its owner alone: authority.pem and .key,
server.pem (key, certificate, authority), plan.key. Losing it means enrolling every agent again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import pathlib
import ssl
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from controller.access.certificates import (
    agent_certificate,
    authority_certificate,
    hosts_of,
    key_pem,
    new_key,
    requested_key,
    server_certificate,
)
from controller.access.credentials import CertificateRecord
from controller.access.key_database import belong_to_owner, keys_directory
from controller.data_directory import KEYS_DIRECTORY
from foundation.clock import Clock
from foundation.errors import ConfigError, ResourceError
from foundation.input_files import read_input
from foundation.reasons import NOT_PEM, reason_of

AUTHORITY_LIFETIME = dt.timedelta(days=7305)  # 20 years: nothing renews it
SERVER_LIFETIME = dt.timedelta(days=397)
AGENT_LIFETIME = dt.timedelta(days=90)
ALWAYS_HOSTS = ("localhost", "127.0.0.1", "::1")


class Authority:
    """An authority that exists. See `load` and `create`."""

    def __init__(self, directory: pathlib.Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.certificate = _read_certificate(directory / "authority.pem")
        key = _read_key(directory / "authority.key")
        plan_key = _read_key(directory / "plan.key")
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _unreadable(directory / "authority.key", TypeError("not ECDSA"))
        if not isinstance(plan_key, ed25519.Ed25519PrivateKey):
            raise _unreadable(directory / "plan.key", TypeError("not Ed25519"))
        if key.public_key() != self.certificate.public_key():  # of two backups
            raise _unreadable(directory / "authority.key", ValueError("of another authority"))
        self._key, self._plan_key = key, plan_key

    @property
    def pem(self) -> str:
        """The authority's certificate, which is no secret."""
        return _pem(self.certificate)

    @property
    def file(self) -> pathlib.Path:
        """Where the authority's certificate is, for ``--ca``."""
        return self._directory / "authority.pem"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate in DER, in hexadecimal; every enrolment token holds it."""
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return hashlib.sha256(der).hexdigest()

    @property
    def plan_public_key(self) -> str:
        """The raw Ed25519 public key that agents check their plans with, in hexadecimal."""
        return self._plan_key.public_key().public_bytes_raw().hex()

    def sign_plan(self, message: bytes) -> str:
        """Return the Ed25519 signature of `message` in hexadecimal."""
        return self._plan_key.sign(message).hex()

    def issue(
        self, request_pem: str, agent: str, lifetime: dt.timedelta = AGENT_LIFETIME
    ) -> tuple[str, CertificateRecord]:
        """Return a certificate (PEM) for the key of a signing request, and its record.

        Raises RemoteProtocolError for a request that is none.
        """
        key, now = requested_key(request_pem), _now(self._clock)
        made = agent_certificate(self.certificate, self._key, key, agent, now, lifetime)
        record = CertificateRecord(
            serial=f"{made.serial_number:x}",
            agent=agent,
            issued_ns=self._clock.wall_ns(),
            expires_ns=round(made.not_valid_after_utc.timestamp() * 1e9),
        )
        return _pem(made), record

    def hosts(self) -> list[str]:
        """Return the names and addresses the server's certificate is for."""
        return hosts_of(_read_certificate(self._directory / "server.pem"))

    def renew_server(self, hosts: Sequence[str]) -> None:
        """Make the server a new key and certificate for `hosts`."""
        whole = _server_file(self.certificate, self._key, hosts, self._clock)
        write_secret(self._directory / "server.pem", whole)

    def renew_server_in_time(self) -> bool:
        """Renew the server's certificate once two thirds of its life are over, or before its life
        begins (our clock was ahead); True if it was."""
        held = _read_certificate(self._directory / "server.pem")
        life = held.not_valid_after_utc - held.not_valid_before_utc
        now = _now(self._clock)
        if held.not_valid_before_utc <= now < held.not_valid_after_utc - life / 3:
            return False
        self.renew_server(hosts_of(held))
        return True

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS side of the server: TLS 1.3, asking for agents' certificates."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.file))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_OPTIONAL  # people come with tokens
        self.load_server(context)
        return context

    def load_server(self, context: ssl.SSLContext) -> None:
        """Let new connections of `context` see the server's present certificate."""
        path = self._directory / "server.pem"
        try:
            read_input(path)  # a pipe that OpenSSL would wait for
            context.load_cert_chain(path)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable(path, error) from error


def authority_exists(data: pathlib.Path) -> bool:
    """Whether `isochrone controller init` was done in this data directory."""
    return os.path.lexists(data / KEYS_DIRECTORY / "authority.pem")  # a link into nowhere, too


def load_authority(data: pathlib.Path, clock: Clock) -> Authority:
    """Return the authority of a data directory. Raises ConfigError where there is none."""
    if not authority_exists(data):
        raise ConfigError(
            f"{data} has no authority yet; create it with: isochrone controller init --data {data}",
            f"{data} 尚未初始化证书颁发机构；请先执行：isochrone controller init --data {data}",
            file=str(data),
        )
    return Authority(data / KEYS_DIRECTORY, clock)


def create_authority(data: pathlib.Path, hosts: Sequence[str], clock: Clock) -> Authority:
    """Make the authority, the server's certificate and the key of plans."""
    directory = keys_directory(data)
    key, plan_key = new_key(), ed25519.Ed25519PrivateKey.generate()
    made = authority_certificate(key, _now(clock), AUTHORITY_LIFETIME)
    write_secret(directory / "authority.key", key_pem(key))
    write_secret(
        directory / "plan.key",
        plan_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    write_secret(directory / "server.pem", _server_file(made, key, hosts, clock))
    # Last, because its presence says that the authority is whole.
    write_secret(directory / "authority.pem", _pem(made).encode())
    return Authority(directory, clock)


def _server_file(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    clock: Clock,
) -> bytes:
    """Return a new key, certificate and authority in one file: replaced together or not at all."""
    key = new_key()
    made = server_certificate(
        authority, authority_key, key.public_key(), hosts, _now(clock), SERVER_LIFETIME
    )
    return key_pem(key) + _pem(made).encode() + _pem(authority).encode()


def write_secret(path: pathlib.Path, content: bytes) -> None:
    """Replace a file atomically, readable by its owner alone from its first moment."""
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.unlink(missing_ok=True)
        number = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        belong_to_owner(temporary)
        temporary.replace(path)
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}; check the permissions and the free "
            f"space.",
            f"无法写入 {path}：{reason_of(error).zh}；请检查权限和剩余空间。",
            file=str(path),
        ) from error


def _now(clock: Clock) -> dt.datetime:
    return dt.datetime.fromtimestamp(clock.wall_ns() // 1_000_000_000, dt.UTC)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _read_certificate(path: pathlib.Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_input(path))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _read_key(path: pathlib.Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(read_input(path), None)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: pathlib.Path, error: Exception) -> ConfigError:
    reason = reason_of(error) if isinstance(error, OSError) else NOT_PEM
    if isinstance(error, ssl.SSLError):
        reason = NOT_PEM  # OpenSSL's own words name lines of its source
    return ConfigError(
        f"The key file {path} cannot be used ({reason.en}); restore the directory from its backup.",
        f"无法使用密钥文件 {path}（{reason.zh}）；请从备份恢复该目录。",
        file=str(path),
    )
