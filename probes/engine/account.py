"""The account of probes: what came back is matched with what was sent, and each gets an outcome.

Replies and TX timestamps wait in the sockets until they are collected, since the kernel has
noted when they came; so they are collected in batches, and nothing loops over packets.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from probes.causes import errno_of
from probes.channels.channel import Channel, ProbeIcmpErrors, Replies
from probes.channels.discarded import ALTERED, CHECKSUM, TOO_LATE, Discarded, cause_of
from probes.clocks.timescale import TimeScale
from probes.engine.accumulate import LOST_FORWARD, UNREAD, WAS_NOT_SENT, Finished
from probes.engine.answers import (
    duplicates,
    finish_answered,
    finish_at_once,
    finish_unanswered,
    hold_answers,
    read_answers,
    take_follow_ups,
)
from probes.engine.direction import FORWARD, directions_of_loss
from probes.engine.ledger import DROPPED, FLYING, LOST, Ledger
from probes.engine.matching import match, owners
from probes.engine.report import SampleBatch, Tally
from probes.engine.roster import Roster
from probes.engine.windows import OpenWindows
from probes.sockets.error_queue import KERNEL_TIMESTAMP
from probes.sockets.records import distinct, records
from probes.stamp.nonconforming import NonconformingReplies

NEVER_ARRIVED = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EMSGSIZE)  # by ICMP
_MOST_STRANGERS = 64  # answers from other addresses whose probes are looked for, of one batch
_HELD_NS = 1_000_000  # a packet that left so long after we sent it is waited for from then on


class Account:
    """Files finished probes into windows, and shows them to `on_samples` if given.

    `own_bound_ns` is the bound on this machine's clock error, NaN while it is not known.
    """

    def __init__(
        self,
        ledger: Ledger,
        roster: Roster,
        windows: OpenWindows,
        scale: TimeScale,
        tally: Tally,
        on_samples: Callable[[SampleBatch], None] | None,
    ) -> None:
        self._ledger, self._roster, self._windows = ledger, roster, windows
        self._scale, self._tally, self._on_samples = scale, tally, on_samples
        self.own_bound_ns = np.nan
        self.nonconforming_replies = NonconformingReplies()

    def collect(self, channel: Channel) -> None:
        """Take all that a channel has for us."""
        more = True
        while more:
            replies = channel.receive()
            self._take_tx_timestamps(channel)  # first, since replies are measured from them
            if replies is not None and len(replies):
                self._enter(replies)
            more = replies is not None and replies.ring_was_full
        for errors in channel.icmp_errors():
            self._note_icmp_errors(errors)
        for answers in channel.take_discarded():
            self._note_discarded(answers, channel.sessions())

    def _note_icmp_errors(self, errors: ProbeIcmpErrors) -> None:
        """Write what ICMP said beside the probes that it is about."""
        cause = self._tally.causes.codes(errors.error, errors.word, errors.offender)
        one, some = np.flatnonzero(errors.numbered), np.flatnonzero(~errors.numbered)
        told = np.zeros(len(cause), np.bool_)
        told[one] = self._ledger.note_causes(
            errors.session[one], errors.low_sequence[one], errors.sequence_bits, cause[one]
        )
        told[some] = self._ledger.note_causes_of_sessions(errors.session[some], cause[some])
        self._tally.icmp_errors.update(errors.error[told].tolist())

    def _note_discarded(self, answers: Discarded, sessions: NDArray[np.int64]) -> None:
        """Note why probes stay without an answer though one came: it was of no use."""
        session, number, reason = answers.session, answers.low_sequence, answers.reason
        strange = np.flatnonzero(session < 0)[:_MOST_STRANGERS]
        if len(strange):
            session = session.copy()
            session[strange] = owners(
                self._ledger,
                sessions,
                number[strange],
                answers.sequence_bits,
                answers.check[strange],
            )
        cause = cause_of(reason)
        numbered = (session >= 0) & (number >= 0)
        if numbered.any():
            self._ledger.note_causes(
                session[numbered], number[numbered], answers.sequence_bits, cause[numbered]
            )
        rest = (session >= 0) & (number < 0)
        if rest.any():
            self._ledger.note_newest(session[rest], cause[rest])
        self._tally.spurious += int(np.count_nonzero(session < 0))
        self._tally.discarded.update(reason[session >= 0].tolist())

    def _take_tx_timestamps(self, channel: Channel) -> None:
        """Replace the engine's own send times by the kernel's."""
        rows = self._ledger.rows
        while True:
            row, timestamps = channel.tx_timestamps()
            if len(timestamps):
                right = (row >= 0) & (rows["key"][row] == timestamps.key)
                right &= rows["channel"][row] == channel.number
                row = row[right]
                wall_ns = self._scale.seen_wall_ns(timestamps.timestamp_ns[right])
                handed_ns = rows["sent_ns"][row]
                sent_ns = self._scale.to_monotonic_ns(wall_ns, handed_ns)
                # what was timestamped while the clock moved is not used
                if self._scale.is_unsettled:
                    sound = self._scale.is_possible(sent_ns, handed_ns)
                    row, wall_ns, sent_ns = row[sound], wall_ns[sound], sent_ns[sound]
                rows["sent_wall_ns"][row] = wall_ns
                held_ns = sent_ns - rows["sent_ns"][row]
                if (held_ns > _HELD_NS).any():  # by neighbour discovery or a full queue
                    rows["forget_ns"][row] += np.maximum(held_ns, 0)
                rows["sent_ns"][row] = sent_ns
                rows["sent_kind"][row] = KERNEL_TIMESTAMP
            if not channel.more_timestamps(len(timestamps)):
                return

    def _enter(self, replies: Replies) -> None:
        """Match replies with probes and file what they finish."""
        matched = match(
            self._ledger,
            replies.session,
            replies.low_sequence,
            replies.sequence_bits,
            replies.check,
            lenient=replies.lenient,
        )
        self._tally.spurious += matched.spurious - matched.altered
        self._tally.discarded[ALTERED] += matched.altered
        self._tally.discarded[TOO_LATE] += matched.too_late
        if len(matched.repeated):
            copy = duplicates(self._ledger, self._scale, matched, replies)
            self._tally.discarded[TOO_LATE] += len(matched.repeated) - len(copy)
            again = records(self._ledger.rows, copy)
            stream = self._ledger.sessions["stream"][again["session"]]
            self._windows.repeated(again["window"], stream)
        if len(matched.row):
            self._tally.received += len(matched.row)
            said, odd = read_answers(self._ledger, self._scale, matched, replies, self.own_bound_ns)
            if odd is not None:
                self.nonconforming_replies.count(
                    self._ledger.sessions["stream"][matched.session], odd
                )
            self._tally.timestamping = int(said["timestamping"][-1])
            if not replies.asks_follow_up:
                self._deliver(finish_at_once(self._ledger, matched, said))
                return
            hold_answers(self._ledger, matched.row, said)
            ready, held = take_follow_ups(self._ledger, matched, replies)
            self._ledger.hold(held, self._scale.monotonic_ns())
            self.finish(ready)

    def sweep(self, now_ns: int, *, nothing_follows: bool) -> None:
        """Give up probes whose answers are overdue; call it when all sockets have been emptied.

        `nothing_follows` tells that no stream will send another probe, so no reply will bring a
        Follow-Up either.
        """
        self.give_up(self._ledger.overdue(now_ns))
        self.finish(self._ledger.held_too_long(now_ns))
        if nothing_follows:
            self.finish(self._ledger.newest_held())

    def give_up(self, row: NDArray[np.int64]) -> None:
        """File probes as lost, in the direction that the reflector's count tells."""
        if not len(row):
            return
        direction = directions_of_loss(self._ledger, row)
        rows = self._ledger.rows
        direction[np.isin(errno_of(rows["cause"][row]), NEVER_ARRIVED)] = FORWARD
        now_ns = self._scale.monotonic_ns()  # not the tick's, in which some were sent since
        outcome = (LOST_FORWARD + direction).astype(np.uint8)
        for number in distinct(rows["channel"][row]):
            back = (rows["channel"][row] == number) & (direction != FORWARD)
            back = np.flatnonzero(back & (rows["cause"][row] >= 0))  # of others an answer was read
            channel = self._roster.channels.get(int(number))
            if channel is None:  # its interface was rebuilt meanwhile
                continue
            unread, damaged = channel.claim_dropped(rows["sent_ns"][row[back]], now_ns)
            outcome[back[unread]] = UNREAD
            rows["cause"][row[back[damaged]]] = cause_of(CHECKSUM)
            self._tally.unread += len(unread)
            self._tally.discarded[CHECKSUM] += len(damaged)
        self._deliver(finish_unanswered(self._ledger, row, outcome, LOST))

    def note_drops(self, row: NDArray[np.int64], error: NDArray[np.int32]) -> None:
        """File probes that never left this host: `error` is 0 for those that did."""
        dropped = row[error != 0]
        self._ledger.rows["cause"][dropped] = error[error != 0]
        self._tally.drops.update(error[error != 0].tolist())
        self._tally.sent -= len(dropped)
        outcome = np.full(len(dropped), WAS_NOT_SENT, np.uint8)
        self._deliver(finish_unanswered(self._ledger, dropped, outcome, DROPPED))

    def make_room(self, row: NDArray[np.int64]) -> None:
        """Decide the outcome of the rows' earlier probes: their rings have come round.

        Of those whose answers might still come nobody will know whether they do.
        """
        rows = self._ledger.rows
        state, held = rows["state"][row], rows["held"][row]
        flying = row[state == FLYING]
        if len(flying):
            early = rows["forget_ns"][flying] > self._scale.monotonic_ns()
            self.give_up(flying[~early])
            if early.any():
                forgotten = flying[early]
                outcome = np.full(len(forgotten), UNREAD, np.uint8)
                self._tally.unread += len(forgotten)
                self._deliver(finish_unanswered(self._ledger, forgotten, outcome, LOST))
        if held.any():
            self.finish(row[held])

    def finish(self, row: NDArray[np.int64]) -> None:
        """File answered probes that wait for nothing more."""
        if len(row):
            self._deliver(finish_answered(self._ledger, row))

    def finish_all(self) -> None:
        """File every answered probe, whether its Follow-Up has come or not."""
        self.finish(self._ledger.all_held())

    def _deliver(self, finished: Finished) -> None:
        """File finished probes into their windows and show them to whoever wants to see each."""
        self._windows.finish(finished)
        if self._on_samples is None:
            return
        self._on_samples(
            SampleBatch(
                stream_id=self._roster.stream_ids[finished.stream],
                flow=finished.flow,
                sequence=finished.sequence.astype(np.uint64),
                sent_ns=finished.sent_wall_ns,
                rtt_ns=finished.rtt_ns,
                forward_ns=finished.forward_ns,
                backward_ns=finished.backward_ns,
                outcome=finished.outcome,
                timestamping=finished.timestamping,
                answer=finished.answer,
                cause=finished.cause,
                tos=finished.tos,
                tos_forward=finished.tos_forward,
                tos_backward=finished.tos_backward,
                hops_forward=finished.hops_forward,
                ttl=finished.ttl,
            )
        )
