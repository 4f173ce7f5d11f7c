"""Sending what is due: each channel's probes are written in place and leave in one system call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.channels.channel import Channel
from probes.channels.codec import Outgoing
from probes.clocks.timescale import TimeScale
from probes.engine.account import Account
from probes.engine.ledger import Ledger
from probes.engine.pacing import Due
from probes.engine.report import Tally
from probes.engine.roster import Roster
from probes.engine.windows import OpenWindows
from probes.sockets.error_queue import USER_TIMESTAMP
from probes.sockets.records import distinct


class Sender:
    """Sends probes and enters them into the ledger.

    `error_estimate` is what STAMP packets say of this machine's clock.
    """

    def __init__(
        self,
        ledger: Ledger,
        roster: Roster,
        windows: OpenWindows,
        scale: TimeScale,
        tally: Tally,
        account: Account,
    ) -> None:
        self._ledger, self._roster, self._windows = ledger, roster, windows
        self._scale, self._tally, self._account = scale, tally, account
        self.error_estimate = 0

    def send_due(self, due: Due) -> None:
        """Send one probe of every stream that is due, a channel at a time."""
        if not len(due.stream):
            return
        roster = self._roster
        session = roster.first_session[due.stream]
        flows = roster.flows[due.stream]
        if (flows > 1).any():
            session += roster.sent[due.stream] % flows
        roster.sent[due.stream] += 1
        channel = roster.channel_of[session]
        if (channel == channel[0]).all():
            self._send_through(int(channel[0]), session, due.planned_ns, due.skipped)
            return
        for number in distinct(channel).tolist():
            part = np.flatnonzero(channel == number)
            skipped = None if due.skipped is None else due.skipped[part]
            self._send_through(number, session[part], due.planned_ns[part], skipped)

    def _send_through(
        self,
        number: int,
        session: NDArray[np.int64],
        planned_ns: NDArray[np.int64],
        skipped: NDArray[np.int64] | None,
    ) -> None:
        channel = self._roster.channels[number]
        for start in range(0, len(session), channel.capacity):
            some = slice(start, start + channel.capacity)
            window = self._send(channel, session[some], planned_ns[some])
            if skipped is not None and skipped[some].any():
                stream = self._ledger.sessions["stream"][session[some]]
                self._windows.skipped(window, stream, skipped[some])

    def _send(
        self,
        channel: Channel,
        session: NDArray[np.int64],
        planned_ns: NDArray[np.int64],
    ) -> int:
        """Send one batch through one channel and enter it into the ledger; return its window."""
        ledger, roster = self._ledger, self._roster
        row, sequence = ledger.claim(session)
        self._account.make_room(row)
        now_ns = self._scale.monotonic_ns()
        wall_ns = now_ns + self._scale.offset_ns
        probes = Outgoing(session, sequence, roster.secret[session], wall_ns, self.error_estimate)
        self._tally.sent += len(row)  # before they leave: a kill must not hide any
        result, check = channel.send(probes, roster.address, row)
        window = self._windows.number_at(now_ns)
        send_lag_ns = np.maximum(now_ns - planned_ns, 0)  # some are sent a little early
        ledger.enter(
            row,
            sequence,
            session,
            check=check,
            key=result.key,
            channel=channel.number,
            window=window,
            send_lag_ns=send_lag_ns,
            sent_kind=USER_TIMESTAMP,
            sent_ns=now_ns,
            sent_wall_ns=wall_ns,
        )
        self._windows.sent(window, len(row))
        self._tally.send_lag_max_ns = max(self._tally.send_lag_max_ns, float(send_lag_ns.max()))
        if result.error.any():
            self._account.note_drops(row, result.error)
        return window
