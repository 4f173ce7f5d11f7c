"""Where a reflector listens and who may ask there; what to tell a person when a socket cannot be
had."""

from __future__ import annotations

import contextlib
import errno
import math
import socket

from foundation.errors import ConfigError, IsochroneError, ResourceError, RightsError
from foundation.literals import Address, AddressError, fault_of, read_address
from foundation.reasons import reason_of
from foundation.text import Text
from probes.addresses import socket_address
from probes.reflector.admission import PeerFilter, parse_prefix
from probes.reflector.context import Context, Estimates, Moment
from probes.reflector.known_senders import KnownSenders
from probes.reflector.reply_timestamps import ReplyLag, ReplyTimestamps
from probes.reflector.sender_keys import SenderKeys
from probes.reflector.sessions import SessionTable
from probes.reflector.spec import ReflectorSpec
from probes.sockets.batch import BatchSocket
from probes.sockets.descriptors import new_socket
from probes.sockets.obstacles import explaining_obstacles
from probes.sockets.ring import Rings
from probes.stamp.sizes import STAMP_BASE_BYTES
from probes.stamp.timestamps import encode_error_estimate

_REPLY_TTL = 255  # so that the sender can count the hops back
_SO_RCVBUFFORCE = 33
_IP_RECVTTL = 12
_BUFFER_BYTES = 4 << 20
_ESTIMATE_AGE_NS = 1_000_000_000
FEW = 32  # so many requests are answered sooner one by one


class Listener:
    """One bound address, who may ask there, and its replies that are leaving."""

    def __init__(
        self,
        spec: ReflectorSpec,
        keys: SenderKeys,
        number: int,
        rings: Rings,
        sessions: SessionTable,
        context: Context,
        *,
        sock: socket.socket,
    ) -> None:
        self.number, self._context = number, context
        self.admit(spec, keys)
        self.everywhere = spec.address in ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound
        self.socket = BatchSocket(
            sock,
            rings=rings,
            timestamps_on_request=True,
            tells_destination=self.everywhere,
        )
        self.port = int(self.socket.sock.getsockname()[1])
        self.reply_timestamps = ReplyTimestamps(sessions)
        self.lag = ReplyLag()
        self.arrived = 0  # packets that its socket has just taken in
        self.leaving = 0  # replies of the last batch whose departure is timestamped
        self._moment = Moment(number, context.wall_ns, 0, Estimates(0, 0))
        self._estimates_until_ns, self._told_lag_ns = -math.inf, 0

    def admit(self, spec: ReflectorSpec, keys: SenderKeys) -> None:
        """Answer the peers of `spec` from now on, those that it says under their `keys` alone."""
        self.spec, self.peers, self.keys = spec, PeerFilter(spec.peers), keys
        peers = spec.peers if keys.of_everybody is not None else spec.authenticated or ()
        self.authenticated = PeerFilter(peers) if peers else None
        self.known = KnownSenders()
        # Where everybody may ask, a forged sender must gain nothing: no reply longer than asked.
        is_open = any(parse_prefix(peer).prefixlen == 0 for peer in spec.peers)
        self.least_bytes = STAMP_BASE_BYTES if is_open else 0

    def moment(self, now_ns: int) -> Moment:
        """Return when and where what has arrived is answered; it holds until the next call.

        Error Estimates are made each second.
        """
        moment, lag_ns = self._moment, self.lag.worst_ns
        moment.now_ns = now_ns
        if now_ns >= self._estimates_until_ns or lag_ns > self._told_lag_ns:
            bound_ns = self._context.own_clock_bound_ns()
            exact, early = encode_error_estimate(bound_ns), encode_error_estimate(bound_ns + lag_ns)
            moment.estimates, self._told_lag_ns = Estimates(exact, early), lag_ns
            self.lag.age()
            self._estimates_until_ns = now_ns + _ESTIMATE_AGE_NS
        return moment

    def collect_timestamps(self) -> None:
        """Empty the error queue (undrained it eats the receive buffer) into the sessions."""
        queue, shift_ns = self.socket.error_queue, self._context.shift_ns
        one_by_one = self.leaving <= FEW and not queue.has_kept
        for _ in range(FEW if one_by_one else 0):
            if not self.collect_one_timestamp():
                return
        while len(timestamps := queue.read()):
            self.reply_timestamps.left(timestamps.key, timestamps.timestamp_ns + shift_ns)
            self.lag.left(timestamps.key, timestamps.timestamp_ns)

    def collect_one_timestamp(self) -> bool:
        """Take one departure from the error queue; tell whether there was one."""
        one = self.socket.error_queue.read_one()
        if one is None:
            return False
        key, left_ns = one
        self.reply_timestamps.one_left(key, left_ns + self._context.shift_ns)
        self.lag.one_left(key, left_ns)
        return True


def open_reflector_socket(
    spec: ReflectorSpec, *, both_families: bool = False, interface: str = ""
) -> socket.socket:
    """Bind one address for datagrams; with `both_families` an IPv6 socket takes IPv4 as well, with
    `interface` what comes and goes by that one alone.

    Raises ConfigError, RightsError or ResourceError.
    """
    address = _listening_address(spec)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with explaining_obstacles(family, None) as undo:
        sock = undo.enter_context(new_socket(family, socket.SOCK_DGRAM, interface=interface))
        _prepare(sock, family, both_families)
        try:
            sock.bind(socket_address(str(address), spec.port))
        except OSError as error:
            raise _explained(error, spec) from error
    return sock


def _listening_address(spec: ReflectorSpec) -> Address:
    """Return the address to bind, which may be that of all. Raises ConfigError."""
    try:
        address = read_address(spec.address)
        fault = (
            Text("is not an IP address", "不是 IP 地址") if address is None else fault_of(address)
        )
        if address is not None and (fault is None or address.is_unspecified):
            return address
        assert fault is not None
        told = Text(f"{spec.address} {fault.en}", f"{spec.address} {fault.zh}")
    except AddressError as error:
        told = error.text
    raise ConfigError(
        f"the reflector cannot listen: {told.en}",
        f"反射端无法监听：{told.zh}",
        key="address",
        value=spec.address,
    )


def _prepare(sock: socket.socket, family: int, both_families: bool) -> None:
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both_families else 1)
        if both_families:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _REPLY_TTL)
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _REPLY_TTL)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _REPLY_TTL)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)


def _explained(error: OSError, spec: ReflectorSpec) -> IsochroneError:
    """Turn the system's refusal into what a person can do about it."""
    place = {"address": spec.address, "port": spec.port}
    if error.errno == errno.EADDRINUSE:
        return ResourceError(
            f"Port {spec.port} of {spec.address} is already in use; "
            "stop the other program or choose another port.",
            f"{spec.address} 的端口 {spec.port} 已被占用；请停止占用它的程序，或改用其他端口。",
            **place,
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return RightsError(
            f"This system does not permit opening port {spec.port}. Choose a port of 1024 or "
            f"above, or give the capability with `setcap cap_net_bind_service+ep` on the program, "
            f"or with `sysctl net.ipv4.ip_unprivileged_port_start={spec.port}`.",
            f"系统不允许打开端口 {spec.port}。请改用 1024 及以上的端口，"
            "或对程序执行 `setcap cap_net_bind_service+ep`，"
            f"或执行 `sysctl net.ipv4.ip_unprivileged_port_start={spec.port}`。",
            **place,
        )
    if error.errno in (errno.EADDRNOTAVAIL, None):  # None: no interface of its zone's name
        return ResourceError(
            f"The reflector's address {spec.address} is not an address of this machine now; if it "
            f"does not appear on its own, correct it or add it to an interface. Behind 1:1 NAT, "
            f"name its local address: `local` in the site file, `local_addresses` in the agent's.",
            f"反射端地址 {spec.address} 目前不是本机地址；若不会自动出现，请更正，"
            "或将其配置到某个接口上。位于 1:1 NAT 之后时，请写明本机的地址：站点文件中的 local，"
            "或探针配置中的 local_addresses。",
            **place,
        )
    return ResourceError(
        f"The reflector could not listen on {spec.address} port {spec.port}: {error.strerror}.",
        f"反射端无法监听 {spec.address} 端口 {spec.port}：{reason_of(error).zh}。",
        **place,
    )
