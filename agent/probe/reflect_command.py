"""`isochrone reflect`: a STAMP Session-Reflector (RFC 8762) for as long as it runs."""

from __future__ import annotations

import queue
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.errors import ConfigError, UsageError
from foundation.input_files import read_input
from foundation.literals import AddressError, read_address
from foundation.options import FiniteRange
from foundation.reasons import reason_of
from foundation.results import are_hangups_handled, results_follow
from foundation.text import Text, language_of_environment
from probes.stamp.sizes import STAMP_PORT

if TYPE_CHECKING:
    from probes.reflector.short_requests import ShortRequestNews, ShortRequests

DEFAULT_LISTEN = "[::]:862"
_OPEN_PACKETS_PER_S = 1_000.0
_OPEN_PACKETS_PER_S_PER_SOURCE = 100.0
_EVERYBODY = ("0.0.0.0/0", "::/0")
_LEAST_KEY_BYTES = 16
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LOOK_EVERY_S = 0.5
_NOT_HEXADECIMAL = Text("not hexadecimal digits", "内容不是十六进制数字")


@click.command()
@click.option(
    "--listen",
    multiple=True,
    default=(),
    show_default="[::]:862, all addresses of both families",
    metavar="ADDRESS:PORT",
    help="Address and port to listen on; may be repeated.",
)
@click.option(
    "--source",
    metavar="ADDRESS",
    help="Listen on port 862 of this local address only, and reply from it.",
)
@click.option("--interface", metavar="NAME", help="Listen and reply on this interface only.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="PREFIX",
    help="Address or prefix to answer; may be repeated.",
)
@click.option("--open", "is_open", is_flag=True, help="Answer everyone, at a limited rate.")
@click.option(
    "--hmac-key-file",
    type=click.Path(path_type=Path),
    help="Answer only STAMP packets authenticated with the key in this file (hexadecimal).",
)
@click.option(
    "--max-rate",
    type=FiniteRange(1.0, 10_000_000.0),
    help="Maximum packets per second; by default 200000, or 1000 with --open.",
)
@click.option(
    "--max-rate-per-source",
    type=FiniteRange(1.0, 10_000_000.0),
    help="Maximum packets per second from one sender; by default unlimited, or 100 with --open.",
)
def reflect(
    listen: tuple[str, ...],
    source: str | None,
    interface: str | None,
    peers: tuple[str, ...],
    is_open: bool,
    hmac_key_file: Path | None,
    max_rate: float | None,
    max_rate_per_source: float | None,
) -> None:
    """Answer STAMP probes (RFC 8762) from the given peers until stopped."""
    if not peers and not is_open:
        raise UsageError(
            "Name the permitted senders with --peer PREFIX, or use --open for everyone.",
            "请指定允许的发送方：用 --peer 前缀逐一列出，或用 --open 对所有人开放。",
        )
    listen = _places(listen, source, interface)
    from probes.clocks.kernel import kernel_clock_bound_ns
    from probes.reflector.reflector import DEFAULT_MAX_PACKETS_PER_S, Reflector
    from probes.reflector.short_requests import ShortRequestNews
    from probes.reflector.spec import ReflectorSpec
    from probes.sockets.descriptors import raise_descriptor_limit

    _check_peers(peers)
    allowed = (*peers, *(_EVERYBODY if is_open else ()))
    raise_descriptor_limit()
    specs = []
    for place in listen:
        address, port = split_place(place)
        specs.append(ReflectorSpec(address=address, port=port, peers=allowed))
    usual_rate_of_one = _OPEN_PACKETS_PER_S_PER_SOURCE if is_open else None
    usual_rate = _OPEN_PACKETS_PER_S if is_open else DEFAULT_MAX_PACKETS_PER_S
    reflector = Reflector(
        specs,
        own_clock_bound_ns=kernel_clock_bound_ns,
        hmac_key=None if hmac_key_file is None else read_key(hmac_key_file),
        max_packets_per_s=max_rate or usual_rate,
        max_packets_per_s_per_source=max_rate_per_source or usual_rate_of_one,
        interface=interface or "",
    )
    # Not an event: its lock is not reentrant, and a second signal may find the first one in it.
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    hangup = [signal.SIGHUP] if are_hangups_handled() else []
    for number in (signal.SIGTERM, signal.SIGINT, *hangup):
        signal.signal(number, lambda received, _frame: stop.put(received))
    reflector.start()
    for refused in reflector.refused():
        click.echo(f"isochrone: {refused.pick(language_of_environment())}", err=True)
    click.echo(f"isochrone: answering STAMP on {', '.join(listen)}", err=True)
    news = ShortRequestNews()
    while not _is_told_to(stop, within_s=_LOOK_EVERY_S):
        _report_unusable(news, reflector.short_requests())
    reflector.stop()
    results_follow("reflect")
    news.end_silence()
    _report_unusable(news, reflector.short_requests())
    _print_counters(reflector.counters())


def _is_told_to(stop: queue.SimpleQueue[int], *, within_s: float) -> bool:
    try:
        stop.get(timeout=within_s)
    except queue.Empty:
        return False
    return True


def _report_unusable(news: ShortRequestNews, short: ShortRequests) -> None:
    told = news.news(short, time.monotonic())
    if told is not None:
        click.echo(f"isochrone: {told.pick(language_of_environment())}", err=True)


def _places(listen: tuple[str, ...], source: str | None, interface: str | None) -> tuple[str, ...]:
    """Return where to answer. Raises UsageError for what this machine does not have."""
    from agent.probe.source import read_probe_source

    address = read_probe_source(source, interface).source
    if address is None:
        return listen or (DEFAULT_LISTEN,)
    if listen:
        raise UsageError(
            "Give --listen or --source, not both: replies are sent from the address that received "
            "the probe.",
            "--listen 与 --source 只能给出其一：应答从收到请求的地址发出。",
        )
    return (f"[{address}]:{STAMP_PORT}" if address.version == 6 else f"{address}:{STAMP_PORT}",)


def _check_peers(peers: Sequence[str]) -> None:
    from probes.reflector.admission import parse_prefix

    for peer in peers:
        try:
            parse_prefix(peer)
        except ConfigError as error:
            raise UsageError(error.text.en, error.text.zh, **error.fields) from error


def split_place(place: str) -> tuple[str, int]:
    """Return (address, port) of ``192.0.2.1:862`` or ``[2001:db8::1]:862``. Raises ConfigError."""
    host, colon, port = place.rpartition(":")
    sound = colon and _PORT.fullmatch(port) and int(port) <= 65_535
    try:
        address = read_address(host) if sound and (":" in host) == (host[:1] == "[") else None
    except AddressError as error:
        raise UsageError(f"{error.text.en}.", f"{error.text.zh}。", listen=place) from error
    if address is None:
        raise UsageError(
            f"{place!r} is not ADDRESS:PORT; write 192.0.2.1:862 or [2001:db8::1]:862.",
            f"{place!r} 不是有效的“地址:端口”；请写成 192.0.2.1:862 或 [2001:db8::1]:862。",
            listen=place,
        )
    return str(address), int(port)


def read_key(path: Path) -> bytes:
    """Return the key in a file of hexadecimal digits. Raises ConfigError; never shows the key."""
    try:
        key = bytes.fromhex(read_input(path).decode("ascii"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else _NOT_HEXADECIMAL
        raise ConfigError(
            f"The key file {path} cannot be used: {reason.en}.",
            f"无法使用密钥文件 {path}：{reason.zh}。",
            file=str(path),
        ) from error
    if len(key) < _LEAST_KEY_BYTES:
        raise ConfigError(
            f"The key in {path} has {len(key)} octets; use at least {_LEAST_KEY_BYTES}.",
            f"{path} 中的密钥只有 {len(key)} 字节；至少需要 {_LEAST_KEY_BYTES} 字节。",
            file=str(path),
        )
    return key


def _print_counters(counters: object) -> None:
    names = type(counters).__dataclass_fields__  # type: ignore[attr-defined]  # a dataclass
    for name in names:
        click.echo(f"{name} {getattr(counters, name)}")
