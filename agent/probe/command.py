"""`isochrone probe`: measure targets now. docs/guides/probe.md tells how to read the answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from agent.command_language import in_both
from foundation.errors import UsageError
from foundation.number_types import LONGEST_TIMEOUT_MS
from foundation.options import milliseconds
from foundation.results import end_early_on_signals, ignore_hangups, results_follow
from foundation.text import Text, language_of_environment, listed
from probes.protocols.descriptor import ProbeProtocol
from probes.protocols.registry import protocol_names, protocol_of, protocols

UNPRIVILEGED_INTERVAL_MS = 10.0  # fping's floor for users without privileges
SHORTEST_INTERVAL_MS = 0.1
_EXIT_SOME_SILENT = 1
_CAP_NET_RAW = 13
_EPILOG = (
    "Exit status: 0 if every target answered; 1 if a target did not answer, could not be "
    "resolved or could not be probed, or if probes were not sent, or not at the requested "
    "rate; 2 for wrong usage."
)
_WITH_PORTS = [each for each in protocols() if each.has_ports]
_TITLES = listed([each.title for each in protocols()], "or")
_HELP = Text(
    f"Measure all targets at once, with {_TITLES.en}.", f"立即同时测量所有目标：{_TITLES.zh}。"
)
_SIZE_HELP = Text(
    "Payload in octets: " + "; ".join(each.size_help.en for each in protocols()) + ".",
    "载荷字节数：" + "；".join(each.size_help.zh for each in protocols()) + "。",
)
_PORT_HELP = Text(
    "Destination port; by default "
    + ", ".join(f"{each.name.upper()} {each.default_port}" for each in _WITH_PORTS)
    + ".",
    "目的端口；默认 "
    + "、".join(f"{each.name.upper()} {each.default_port}" for each in _WITH_PORTS)
    + "。",
)


@click.command(epilog=_EPILOG, help=in_both(_HELP))
@click.argument("protocol", type=click.Choice(protocol_names()))
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="Targets, one per line; # starts a comment; - reads standard input.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 1_000_000),
    default=10,
    show_default=True,
    help="Number of probes to each target.",
)
@click.option(
    "--interval",
    callback=milliseconds,
    metavar="DURATION",
    default="1s",
    show_default=True,
    help="Time between two probes to the same target: 200ms, 1s, or a number of milliseconds.",
)
@click.option(
    "--timeout",
    callback=milliseconds,
    metavar="DURATION",
    default="3s",
    show_default=True,
    help="How long to wait for a reply; later ones count as late, and as lost.",
)
@click.option(
    "--size",
    type=click.IntRange(0, 65_000),
    help=in_both(_SIZE_HELP),
)
@click.option(
    "--dscp",
    type=click.IntRange(0, 63),
    default=0,
    show_default=True,
    help="Differentiated services code point.",
)
@click.option("--port", type=click.IntRange(1, 65_535), help=in_both(_PORT_HELP))
@click.option(
    "--flows",
    type=click.IntRange(1, 4096),
    default=1,
    show_default=True,
    help="Number of 5-tuples to spread the probes over, to see equal-cost paths.",
)
@click.option(
    "--hmac-key-file",
    type=click.Path(path_type=Path),
    help=(
        "UDP only: authenticated STAMP with the key in this file (hexadecimal); packets have at "
        "least 112 octets."
    ),
)
@click.option("--source", metavar="ADDRESS", help="Send from this local address.")
@click.option("--interface", metavar="NAME", help="Send and receive on this interface only.")
@click.option(
    "--ipv4", "ip_version", flag_value=4, type=int, help="Resolve names to IPv4 addresses."
)
@click.option(
    "--ipv6", "ip_version", flag_value=6, type=int, help="Resolve names to IPv6 addresses."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per target, one per line."
)
def probe(**given: Any) -> None:
    """Measure targets now: the command; its help names the protocols."""
    sys.exit(_probe(**given))


def _probe(
    *,
    protocol: str,
    targets: tuple[str, ...],
    file: Path | None,
    count: int,
    interval: float,
    timeout: float,
    size: int | None,
    dscp: int,
    port: int | None,
    flows: int,
    hmac_key_file: Path | None,
    source: str | None,
    interface: str | None,
    ip_version: Any,
    as_json: bool,
) -> int:
    """Run the command and return its exit status."""
    check_interval(interval)
    described = protocol_of(protocol)
    _check_usage(described, timeout, port, hmac_key_file)
    from agent.probe.reflect_command import read_key
    from agent.probe.source import read_probe_source
    from agent.probe.targets import read_targets, resolve

    probe_source = read_probe_source(source, interface)
    names, ip_version = read_targets(targets, file), probe_source.ip_version(ip_version)
    resolved = probe_source.place(resolve(names, ip_version))
    from agent.probe import json_output, output
    from agent.probe.live import LiveFigures
    from agent.probe.run import ProbeOptions, ProbeRun
    from probes.sockets.descriptors import raise_descriptor_limit

    raise_descriptor_limit()
    run = ProbeRun(
        resolved,
        ProbeOptions(
            protocol=protocol,
            count=count,
            interval_ms=interval,
            timeout_ms=timeout,
            payload_bytes=_default_size(described, hmac_key_file, dscp) if size is None else size,
            dscp=dscp,
            port=described.port_of(port),
            flows=flows,
            hmac_key=None if hmac_key_file is None else read_key(hmac_key_file),
        ),
    )
    end_early_on_signals()  # `timeout 60 isochrone probe …`
    live = LiveFigures()
    try:
        run.run(live.show)
        ignore_hangups()
    finally:
        live.end()
    results = run.results()
    results_follow("probe")
    if as_json:
        sys.stdout.writelines(f"{json_output.json_line(result)}\n" for result in results)
    elif any(result.sent or result.not_sent for result in results):
        output.print_table(results)
    output.print_reasons(results)
    answered = all(
        result.received and result.sent == result.asked and not result.slow for result in results
    )
    return 0 if answered else _EXIT_SOME_SILENT


def _default_size(protocol: ProbeProtocol, hmac_key_file: Path | None, dscp: int) -> int:
    sizes = protocol.sizes(authenticated=hmac_key_file is not None)
    return sizes.marked if dscp and sizes.marked is not None else sizes.usual


def _check_usage(
    protocol: ProbeProtocol, timeout_ms: float, port: int | None, hmac_key_file: Path | None
) -> None:
    """Refuse options that the protocol has no use for. Raises click.UsageError."""
    if timeout_ms > LONGEST_TIMEOUT_MS:
        told = Text("--timeout is at most 60s.", "--timeout 最大为 60s。")
    elif hmac_key_file is not None and not protocol.authenticates:
        signing = _names([each for each in protocols() if each.authenticates])
        told = Text(
            f"--hmac-key-file is for {signing.en}.", f"--hmac-key-file 仅用于 {signing.zh}。"
        )
    elif port is not None and not protocol.has_ports:
        name, those = protocol.name.upper(), _names(_WITH_PORTS)
        told = Text(
            f"{name} has no ports; --port is for {those.en}.",
            f"{name} 没有端口；--port 仅用于 {those.zh}。",
        )
    else:
        return
    raise click.UsageError(told.pick(language_of_environment()))


def _names(those: Sequence[ProbeProtocol]) -> Text:
    return listed([Text(each.name, each.name) for each in those], "and")


def check_interval(interval_ms: float) -> None:
    """Refuse an interval that would flood a network. Raises ConfigError."""
    least_ms = SHORTEST_INTERVAL_MS if _is_privileged() else UNPRIVILEGED_INTERVAL_MS
    if interval_ms < least_ms:
        raise UsageError(
            f"An interval of {interval_ms:g} ms is too short; the least is {least_ms:g} ms"
            + ("." if _is_privileged() else " without root or CAP_NET_RAW."),
            f"间隔 {interval_ms:g} 毫秒过短；最短为 {least_ms:g} 毫秒"
            + ("。" if _is_privileged() else "（非 root 且无 CAP_NET_RAW 时）。"),
            interval_ms=interval_ms,
        )


def _is_privileged() -> bool:
    if os.geteuid() == 0:
        return True
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return False
    line = next((line for line in status.splitlines() if line.startswith("CapEff:")), "CapEff: 0")
    return bool(int(line.split()[1], 16) >> _CAP_NET_RAW & 1)
