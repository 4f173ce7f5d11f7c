"""Which of the requests that have arrived together are answered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.addresses import unpack_address
from probes.reflector.limits import Limits
from probes.reflector.listening import Listener
from probes.reflector.sessions import SessionTable, Sources
from probes.reflector.short_requests import ShortRequests
from probes.sockets.batch import Received
from probes.stamp.batch import SHORT_REQUEST_BYTES, authenticated_ssids, sequences, ssids
from probes.stamp.packet import AUTHENTICATED_BYTES


@dataclass(frozen=True, slots=True)
class Batch:
    """Packets that arrived at one listener, from where, and when they are looked at (monotonic).

    Its methods' callers choose among them by row: int[k], ascending.
    """

    listener: Listener
    received: Received
    sources: Sources
    now_ns: int


class Screening:
    """Chooses what is answered and counts what is not.

    `own_port` bool[65536] tells the ports of reflectors of ours, `limits` how much is answered,
    `short` which requests were too short.
    """

    def __init__(self, sessions: SessionTable, counts: dict[str, int]) -> None:
        self.own_port = np.zeros(1 << 16, np.bool_)
        self.limits: Limits
        self.short = ShortRequests()
        self._sessions, self._counts = sessions, counts

    def limit(self, per_s: float, per_s_per_source: float | None) -> None:
        """Answer at most so many packets per second from now on, in all and of each source."""
        self.limits = Limits(per_s, per_s_per_source, self._sessions)

    def admitted(self, batch: Batch) -> NDArray[np.intp]:
        """Return which packets are requests of peers, no shorter than their replies would be."""
        received, sources, counts = batch.received, batch.sources, self._counts
        sound = ~received.truncated & (received.length >= SHORT_REQUEST_BYTES)
        counts["malformed"] += len(received) - int(np.count_nonzero(sound))
        # Two reflectors must never answer each other: a spoofed packet would circle for ever.
        allowed = batch.listener.peers.allows(sources) & ~self.own_port[sources.port]
        counts["refused"] += int(np.count_nonzero(sound & ~allowed))
        return self._long_enough(batch, np.flatnonzero(sound & allowed))

    def _long_enough(self, batch: Batch, row: NDArray[np.intp]) -> NDArray[np.intp]:
        least_bytes, received = batch.listener.least_bytes, batch.received
        if not least_bytes:
            return row
        long = received.length[row] >= least_bytes
        if not long.all():
            short = row[~long]
            last, sender = short[-1], unpack_address(received.address[short[-1]].tobytes())[0]
            length, sender = int(received.length[last]), str(sender).removeprefix("::ffff:")
            self.short = self.short.and_more(len(short), length, least_bytes, sender)
            self._counts["growing"] += len(short)
        return row[long]

    def within_limits(self, batch: Batch, row: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return which of these requests are answered; a loud source takes from no other."""
        if not len(row):
            return row
        asking, received = batch.sources.take(row), batch.received

        def slots(of: NDArray[np.intp]) -> NDArray[np.int64]:
            ssid = ssids(received.payload, received.length, row[of])
            return self._sessions.find(asking.take(of), ssid, batch.listener.number)

        granted, of_source = self.limits.grants(asking, batch.now_ns, slots, authenticated=False)
        self._count_limited(granted, of_source)
        return row[granted]

    def grant_authenticated(self, asking: Sources, now_ns: int) -> NDArray[np.bool_]:
        """Return which of these genuine requests are answered. They have their own limits."""
        granted, of_source = self.limits.grants(asking, now_ns, None, authenticated=True)
        self._count_limited(granted, of_source)
        return granted

    def _count_limited(self, granted: NDArray[np.bool_], of_source: NDArray[np.bool_]) -> None:
        self._counts["limited_by_source"] += int(np.count_nonzero(of_source))
        self._counts["limited"] += int(np.count_nonzero(~granted & ~of_source))

    def worth_verifying(self, batch: Batch, row: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return which requests that have to be genuine are looked at: all that are long enough,
        and where they are more than we can verify, those whose numbers their sessions expect."""
        received, sessions = batch.received, self._sessions
        long = received.length[row] >= AUTHENTICATED_BYTES
        self._counts["forged"] += int(np.count_nonzero(~long))
        row = row[long]
        able = self.limits.verifications.take(len(row), batch.now_ns)
        if len(row) <= able:
            return row
        ssid = authenticated_ssids(received.payload, row)
        slot = sessions.find(batch.sources.take(row), ssid, batch.listener.number)
        expected = sessions.expect(slot, sequences(received.payload, row))
        expected[:able] = True
        self._counts["limited"] += int(np.count_nonzero(~expected))
        return row[expected]
