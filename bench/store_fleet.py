"""A controller to be weighed: a fleet on paper, certificates, and the whole service behind them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.accounting import Program
from controller.api.application import make_app
from controller.serving.assembly import open_services
from controller.serving.service import _judge_forever
from controller.settings import Settings
from controller.supervision.housekeeping import run_housekeeping
from foundation.clock import SystemClock
from lab.fleet.children import python_command
from messages.enrolment import AGENT_URI
from topology.mesh import plan_streams
from topology.site_file import load_network

_HEAD = """[network]
name = "bench"
title = { en = "Bench", zh = "基准" }
"""


def site_file(
    directory: Path,
    agents: int,
    externals: int,
    presets: str = "",
    protocols: tuple[str, ...] = ("icmp", "udp"),
) -> Path:
    """Write a site file: `agents` in a full mesh, and each to all externals."""
    lines = [_HEAD, f'presets = ["{presets}"]\n' if presets else ""]
    for number in range(agents + externals):
        kind = (
            'external = true\nroles = ["landmark"]'
            if number >= agents
            else ('roles = ["data_centre"]\nimportant = true')
        )
        address = ipaddress.IPv4Address("10.0.0.1") + number
        lines.append(
            f'[[site]]\nname = "s{number:05d}"\ncity = "nanjing"\n{kind}\n'
            f'interface = [{{ carrier = "telecom", ipv4 = "{address}" }}]\n'
        )
    choices = ", ".join(f'{{ protocol = "{protocol}" }}' for protocol in protocols)
    lines.append(f'[[mesh]]\nname = "all"\nstream = [{choices}]\n')
    path = directory / "bench.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def streams_by_agent(sites: Path) -> dict[str, np.ndarray]:
    """Return the streams that each agent owns, ascending."""
    owned: dict[str, list[int]] = {}
    for stream in plan_streams(load_network(sites)):
        owned.setdefault(stream.path.source.site, []).append(stream.stream_id)
    return {name: np.array(sorted(ids), np.uint64) for name, ids in owned.items()}


def certificates(directory: Path, agents: list[str]) -> None:
    """Write a CA, the controller's certificate and one for every agent, each in one PEM file."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench CA")])
    ca = _signed(ca_name, ca_key, ca_name, ca_key, x509.BasicConstraints(True, None))
    (directory / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    for name in ("controller", *agents):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        told: x509.GeneralName = x509.UniformResourceIdentifier(AGENT_URI + name)
        if name == "controller":
            told = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        names = x509.SubjectAlternativeName([told])
        certificate = _signed(subject, key, ca_name, ca_key, names)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        (directory / f"{name}.pem").write_bytes(private + public)


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def context(directory: Path, name: str, *, server: bool = False) -> ssl.SSLContext:
    """Return the TLS of one side, which asks for the other side's certificate."""
    purpose = ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT
    made = ssl.SSLContext(purpose)
    made.load_cert_chain(directory / f"{name}.pem")
    made.load_verify_locations(directory / "ca.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


@contextlib.contextmanager
def controller(directory: Path, sites: Path, core: int | None) -> Iterator[tuple[Program, str]]:
    """Run the controller on one core (or any); gives it and its address."""
    program = Program(
        *python_command("-m", "bench.store_fleet", str(directory), str(sites), str(core))
    )
    said = program.line()
    if not said.strip().isdigit():
        raise RuntimeError(program.end(limit_s=5).complained.decode()[-2000:])
    try:
        yield program, f"https://127.0.0.1:{int(said)}"
    finally:
        program.end(15)


class RunTotals(msgspec.Struct):
    """What a controller counted, said as it ends."""

    chunks: int
    windows: int
    duplicates: int
    refused: dict[str, int]
    pending: int


async def _serve(directory: Path, sites: Path) -> RunTotals:
    state = open_services(load_network(sites), directory / "data", Settings(), SystemClock())
    runner = web.AppRunner(make_app(state), access_log=None)
    await runner.setup()
    site = web.TCPSite(
        runner, "127.0.0.1", 0, ssl_context=context(directory, "controller", server=True)
    )
    await site.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    print(runner.addresses[0][1], flush=True)
    async with asyncio.TaskGroup() as tasks:
        works = [
            tasks.create_task(_judge_forever(state), name="judging"),
            tasks.create_task(run_housekeeping(state.store, state.clock), name="keeping"),
        ]
        await stop.wait()
        for work in works:
            work.cancel()
    await runner.cleanup()
    ingest = state.ingest
    told = RunTotals(
        chunks=ingest.chunks,
        windows=ingest.results["windows"],
        duplicates=ingest.duplicates,
        refused=dict(ingest.refused),
        pending=state.store.rollups.pending(),
    )
    state.close()
    return told


def main() -> None:
    directory, sites, core = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if core != "None":
        os.sched_setaffinity(0, {int(core)})
    told = asyncio.run(_serve(directory, sites))
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
