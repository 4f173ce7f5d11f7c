"""What an enrolled agent knows and holds: its key and certificate, its authority, the key of plans.

It is in `trust/` of the state directory, for its owner alone: authority.pem; agent.pem (key and
certificate in one file, so that both are replaced together or not at all); plan.pub.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from foundation.errors import ConfigError, ResourceError, RightsError
from foundation.input_files import read_input
from foundation.private_files import make_private_directory
from foundation.reasons import NOT_PEM, reason_of
from messages.enrolment import CertificateDocument

DIRECTORY = "trust"


@dataclass(frozen=True, slots=True)
class Trust:
    """The files of one enrolled agent, and until when they are good."""

    directory: Path
    agent: str
    plan_key: str
    issued_ns: int
    expires_ns: int

    @property
    def renew_at_ns(self) -> int:
        """When two thirds of the certificate's life are over."""
        return self.expires_ns - (self.expires_ns - self.issued_ns) // 3

    def context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts our authority alone and shows our certificate."""
        context = ssl.create_default_context(cafile=str(self.directory / "authority.pem"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let new connections of `context` know the authority and show the certificate of now."""
        with _held(self.directory, fcntl.LOCK_SH):  # key and certificate are read one by one
            context.load_verify_locations(str(self.directory / "authority.pem"))
            context.load_cert_chain(self.directory / "agent.pem")


def new_request(agent: str) -> tuple[bytes, str]:
    """Return a new P-256 key (PEM) and a signing request (PEM) for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, agent)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def save_trust(state_dir: Path, key: bytes, given: CertificateDocument) -> Trust:
    """Keep what the controller gave. Raises ConfigError if it does not fit, ResourceError."""
    directory = state_dir / DIRECTORY
    _check(directory, key, given)
    try:
        make_private_directory(directory, ("agent.pem", "authority.pem"))
        _belong(directory, state_dir)
        with _held(directory, fcntl.LOCK_EX):  # a command and the daemon may renew at once
            _write(directory / "authority.pem", given.authority.encode("ascii"))
            _write(directory / "plan.pub", given.plan_key.encode("ascii"))
            # Last: with it the agent is enrolled.
            _write(directory / "agent.pem", key + given.certificate.encode("ascii"))
    except OSError as error:
        raise ResourceError(
            f"{directory} cannot be written: {error.strerror}; check its permissions and free "
            f"space.",
            f"无法写入 {directory}：{reason_of(error).zh}；请检查权限和剩余空间。",
            file=str(directory),
        ) from error
    return load_trust(state_dir, given.agent)


def load_trust(state_dir: Path, agent: str) -> Trust:
    """Return what was kept. Raises ConfigError where this agent is not enrolled."""
    directory = state_dir / DIRECTORY
    try:
        with _held(directory, fcntl.LOCK_SH):
            certificate = _certificate(directory / "agent.pem")
            plan_key = read_input(directory / "plan.pub").decode("ascii").strip()
            _certificate(directory / "authority.pem")  # TLS would wait for a pipe's writer
        named = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    except FileNotFoundError as error:
        raise ConfigError(
            f"{agent} is not enrolled ({error.filename} is missing); ask the controller's owner "
            "for a token, then: isochrone agent enrol URL.",
            f"{agent} 尚未注册（缺少 {error.filename}）；请向控制器管理员申请令牌，然后执行："
            "isochrone agent enrol 地址。",
            file=str(directory),
        ) from error
    except PermissionError as error:
        raise RightsError(
            f"{error.filename} cannot be read by this user; run as root or as the agent's own "
            f"user.",
            f"无权读取 {error.filename}；请以 root 或探针自己的用户运行。",
            file=str(directory),
        ) from error
    except (OSError, ValueError, IndexError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else NOT_PEM
        raise ConfigError(
            f"{directory} cannot be used ({reason.en}); enrol this agent again: isochrone agent "
            "enrol.",
            f"无法使用 {directory}（{reason.zh}）；请重新注册探针：isochrone agent enrol。",
            file=str(directory),
        ) from error
    if named != agent:
        raise ConfigError(
            f"The certificate in {directory} belongs to {named!s}, but this agent's `name` is "
            f"{agent}; correct the name or enrol again.",
            f"{directory} 中的证书属于 {named!s}，而探针的 name 为 {agent}；请更正名称或重新注册。",
            file=str(directory),
        )
    return Trust(
        directory=directory,
        agent=agent,
        plan_key=plan_key,
        issued_ns=round(certificate.not_valid_before_utc.timestamp() * 1e9),
        expires_ns=round(certificate.not_valid_after_utc.timestamp() * 1e9),
    )


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(read_input(path))


def _check(directory: Path, key: bytes, given: CertificateDocument) -> None:
    """Raise ConfigError unless the certificate is of our key and from the authority beside it."""
    try:
        private = serialization.load_pem_private_key(key, None)
        certificate = x509.load_pem_x509_certificate(given.certificate.encode("ascii"))
        authority = x509.load_pem_x509_certificate(given.authority.encode("ascii"))
        certificate.verify_directly_issued_by(authority)
        fits = certificate.public_key() == private.public_key()
        fits = fits and len(bytes.fromhex(given.plan_key)) == 32
    except Exception as error:  # of many kinds, and each means that it does not fit
        raise _unfit(directory) from error
    if not fits:
        raise _unfit(directory)


def _unfit(directory: Path) -> ConfigError:
    return ConfigError(
        "The controller gave a certificate that does not fit this agent's key; nothing was kept.",
        "控制器签发的证书与探针密钥不匹配；未保存任何内容。",
        file=str(directory),
    )


@contextlib.contextmanager
def _held(directory: Path, how: int) -> Iterator[None]:
    """Hold the directory's lock: its files belong together."""
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def _write(path: Path, content: bytes) -> None:
    """Replace a file atomically, readable by its owner alone from its first moment."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    number = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _belong(temporary, path.parent)
    temporary.replace(path)


def _belong(path: Path, like: Path) -> None:
    """Give what root made to the owner of the state directory: the daemon, who is to read it."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
