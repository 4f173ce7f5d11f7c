"""The probe engine: one thread that sends what is due, takes what comes back and keeps account.

A tick writes all due probes in place, sends them with one system call a channel, reads replies and
transmit stamps of the channels that have any, and files what is finished into windows. Nothing in
it loops over packets. Between ticks the thread sleeps until the next probe is due; replies wait in
the socket, since the kernel has noted when they came.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import select
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from probes.accumulate import FATES, LOCAL_DROP, LOST_FORWARD, Finished
from probes.answers import (
    duplicates,
    enter_answers,
    finish_answered,
    finish_unanswered,
    take_follow_ups,
)
from probes.batch import STAMP_KERNEL, STAMP_USER
from probes.channel import Channel, Outgoing, Replies
from probes.clock import Clock, SystemClock
from probes.direction import FORWARD, directions_of_loss
from probes.engine_report import EngineHealth, SampleBatch, drop_names
from probes.exchange import Condition
from probes.ledger import DROPPED, FLYING, LOST, Ledger
from probes.pacing import Pacer
from probes.records import records
from probes.roster import Roster
from probes.routes import RouteWatch
from probes.stream import StreamSpec
from probes.tcp_connect import ConnectChannel
from probes.timescale import TimeScale
from probes.timestamps import encode_error_estimate
from probes.window import STAMPING, WindowBatch
from probes.windows import OpenWindows

LINGER_NS = 1_000_000_000  # how long after its time-out an answer is still told from a loss
_SWEEP_NS = 50_000_000  # how often overdue probes are looked for
_LONGEST_SLEEP_NS, _ENDING_SLEEP_NS = 50_000_000, 20_000_000
_SHORTEST_TICK_NS, _LONGEST_TICK_NS = 100_000, 50_000_000
_STALL_NS = 100_000_000  # a pause of the engine that makes a window suspect
_CLOCK_CHECK_NS = 1_000_000_000
_ROUTE_CHECK_NS = 30_000_000_000  # beside being told
_UNSYNCHRONISED_NS = 16e9
NEVER_ARRIVED = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EMSGSIZE)  # by ICMP
_HELD_NS = 1_000_000  # a packet that left so long after we sent it is waited for from then on
_PR_SET_TIMERSLACK = 29

__all__ = ["FATES", "Engine", "EngineHealth", "SampleBatch"]


class Engine:
    """Runs streams and hands out their windows (and, if asked, every probe's fate).

    `own_clock_bound_ns()` bounds this machine's clock error, NaN while it is not synchronised.
    `stamp_shift_ns` shifts every wall stamp (lab and tests). Each stream ends after
    `probes_per_stream` probes, if given. With `hmac_key` UDP probes are authenticated STAMP.
    Callbacks run on the engine's thread. Sockets belong to the network namespace of the thread
    that calls `start()`.
    """

    def __init__(
        self,
        specs: Sequence[StreamSpec],
        *,
        window_ns: int,
        on_windows: Callable[[WindowBatch], None],
        clock: Clock | None = None,
        own_clock_bound_ns: Callable[[], float] = lambda: math.nan,
        stamp_shift_ns: int = 0,
        probes_per_stream: int | None = None,
        on_samples: Callable[[SampleBatch], None] | None = None,
        calibration_ns: int | None = None,
        generator: np.random.Generator | None = None,
        hmac_key: bytes | None = None,
    ) -> None:
        self._generator = generator or np.random.default_rng()
        self.scale = TimeScale(clock or SystemClock(), stamp_shift_ns)
        self._ledger = Ledger(LINGER_NS)
        self._roster = Roster(self._ledger, self._generator, hmac_key)
        self._pacer = Pacer(self._generator)
        self._windows = OpenWindows(window_ns, self.scale.offset_ns, on_windows)
        self._on_samples = on_samples
        self._own_clock_bound_ns = own_clock_bound_ns
        self._probes_per_stream = probes_per_stream
        self._calibration_ns = calibration_ns
        self._first_specs = tuple(specs)
        self._wanted: tuple[StreamSpec, ...] | None = None
        self._running: dict[StreamSpec, int] = {}
        self._retired: list[tuple[int, list[int]]] = []  # (last window, stream numbers)
        self._conditions: tuple[Condition, ...] = ()
        self._bound_ns = math.nan
        self._error_estimate = 0
        self._clock_checked_ns = self._swept_ns = self._ticked_ns = 0
        self._counts: Counter[str] = Counter()
        self._drops: Counter[int] = Counter()
        self._refusals: Counter[int] = Counter()
        self._lateness_max_ns = 0.0
        self._steps_seen = 0
        self._stamping = 0
        self._epoll: select.epoll | None = None
        self._routes: RouteWatch | None = None
        self._routes_checked_ns = 0
        self._channel_by_fd: dict[int, Channel | ConnectChannel] = {}
        self._wake = threading.Event()
        self._stopping = self._abandon = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="probe-engine", daemon=True)

    def start(self) -> None:
        """Open the sockets and start probing. Streams that cannot run are told by `health()`."""
        self._epoll = select.epoll()
        self._routes = RouteWatch()
        self._apply(self._first_specs)
        self._thread.start()

    def stop(self, *, wait_for_replies: bool = True) -> None:
        """Send no more; wait for probes in flight (up to their time-outs), close the windows.

        With `wait_for_replies` False what is in flight now is left out of every count.
        """
        self._abandon = not wait_for_replies
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._close()  # again, for an engine that never ran
        self._raise_failure()

    def _close(self) -> None:
        """Close all sockets; may be called twice."""
        self._roster.close()
        if self._epoll is not None:
            self._epoll.close()
        if self._routes is not None:
            self._routes.close()

    def wait_until_finished(self, timeout_s: float | None = None) -> bool:
        """Wait until every stream has sent all its probes and each has met its fate."""
        self._thread.join(timeout_s)
        self._raise_failure()
        return not self._thread.is_alive()

    def update(self, specs: Sequence[StreamSpec]) -> None:
        """Run these streams from the next tick on; unchanged ones go on undisturbed."""
        self._wanted = tuple(specs)
        self._wake.set()

    def health(self) -> EngineHealth:
        """Return how the engine is."""
        return EngineHealth(
            streams=len(self._running),
            stamping=STAMPING[self._stamping],
            calibration_ns=self._calibration_ns,
            probes_sent=self._counts["sent"],
            probes_received=self._counts["received"],
            strays=self._counts["stray"],
            overflowed=self._roster.overflowed
            + sum(channel.socket.overflowed for channel in tuple(self._roster.channels.values())),
            skipped=self._pacer.skipped,
            clock_steps=self.scale.steps,
            lateness_max_ns=self._lateness_max_ns,
            local_drops=drop_names(self._drops),
            refusals=drop_names(self._refusals),
            conditions=self._conditions,
        )

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise RuntimeError("the probe engine broke") from self._failure

    def _run(self) -> None:
        """Tick until told to stop and all probes have met their fate."""
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        try:
            while self._tick(self.scale.monotonic_ns()):
                sleep_ns = self._sleep_ns(self.scale.monotonic_ns())
                if sleep_ns > 0:
                    self._wake.wait(sleep_ns / 1e9)
                self._wake.clear()
            self._finish(np.flatnonzero(self._ledger.rows["held"]))
            self._windows.close_all(self._roster.stream_ids)
        except BaseException as failure:  # noqa: BLE001 - told to whoever stops the engine
            self._failure = failure
        finally:
            self._close()

    def _tick(self, now_ns: int) -> bool:
        """Do all that is to be done now; return False when nothing will ever be again."""
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self._apply(wanted)
        if self._stopping:
            self._pacer.stop(np.arange(len(self._roster.specs)))
        self.scale.look()
        stepped, self._steps_seen = self.scale.steps > self._steps_seen, self.scale.steps
        if stepped or (self._ticked_ns and now_ns - self._ticked_ns > _STALL_NS):
            self._windows.mark_suspect(now_ns)
        self._ticked_ns = now_ns
        self._check_clock(now_ns)
        self._send_due(now_ns)
        self._collect()
        if now_ns - self._swept_ns >= _SWEEP_NS:
            self._swept_ns = now_ns
            self._check_routes(now_ns)
            self._sweep(now_ns)
        if self._stopping and self._abandon:
            return False
        ends = self._stopping or self._probes_per_stream is not None
        return not (ends and self._pacer.finished() and not self._windows.in_flight)

    def _sleep_ns(self, now_ns: int) -> int:
        """Return how long nothing needs doing."""
        interval_ns = self._pacer.shortest_interval_ns()
        # As coarse as the usual jitter, so that probes of many streams share a tick's work.
        tick_ns = min(max(interval_ns / 10, _SHORTEST_TICK_NS), _LONGEST_TICK_NS)
        due_ns = max(self._pacer.next_due_ns(), self._ticked_ns + int(tick_ns))
        longest_ns = _ENDING_SLEEP_NS if self._ends_soon() else _LONGEST_SLEEP_NS
        return min(due_ns - now_ns, longest_ns)

    def _ends_soon(self) -> bool:
        """Tell whether only probes in flight keep the engine from ending, or from sleeping on."""
        return self._windows.in_flight > 0 and self._pacer.finished()

    def _apply(self, specs: Sequence[StreamSpec]) -> None:
        """Stop what is no longer wanted and start what is new."""
        wanted = dict.fromkeys(specs)
        gone = [number for spec, number in self._running.items() if spec not in wanted]
        self._pacer.stop(np.array(gone, np.int64))
        if gone:
            self._retired.append((self._windows.number_at(self.scale.monotonic_ns()), gone))
        self._running = {spec: n for spec, n in self._running.items() if spec in wanted}
        fresh = [spec for spec in wanted if spec not in self._running]
        before = set(self._roster.channels)
        accepted, numbers, conditions = self._roster.add(fresh)
        self._conditions = tuple(conditions)
        for number in self._roster.channels.keys() - before:
            assert self._epoll is not None
            channel = self._roster.channels[number]
            self._epoll.register(channel.socket.fileno(), select.EPOLLIN)
            self._channel_by_fd[channel.socket.fileno()] = channel
        running = [fresh[index] for index in accepted]
        self._running |= dict(zip(running, numbers.tolist(), strict=True))
        self._pacer.add(
            self.scale.monotonic_ns(),
            np.array([spec.interval_ms * 1e6 for spec in running], np.float64),
            np.array([spec.jitter_ratio for spec in running], np.float64),
            np.array([spec.pacing == "poisson" for spec in running], np.bool_),
            self._probes_per_stream,
            rows=numbers,
        )

    def _check_routes(self, now_ns: int) -> None:
        """Follow changes of routes and addresses, which change what TCP probes leave from."""
        changed = self._routes is not None and self._routes.changed()
        if changed or now_ns - self._routes_checked_ns >= _ROUTE_CHECK_NS:
            self._routes_checked_ns = now_ns
            self._roster.resolve_sources()

    def _release_retired(self) -> None:
        """Give up what was kept for streams off the plan, once their last windows are out."""
        while self._retired and self._windows.are_over(self._retired[0][0]):
            for fd in self._roster.release(self._retired.pop(0)[1]):
                del self._channel_by_fd[fd]  # closing it has taken it out of the epoll set

    def _check_clock(self, now_ns: int) -> None:
        """Ask now and then how far the own clock may be off."""
        if self._clock_checked_ns and now_ns - self._clock_checked_ns < _CLOCK_CHECK_NS:
            return
        self._clock_checked_ns = now_ns
        self._bound_ns = self._own_clock_bound_ns()
        known = not math.isnan(self._bound_ns)
        error_ns = self._bound_ns if known else _UNSYNCHRONISED_NS
        self._error_estimate = encode_error_estimate(error_ns, synchronised=known)

    def _send_due(self, now_ns: int) -> None:
        """Send every probe that is due, a channel at a time."""
        due = self._pacer.take(now_ns)
        if not len(due.stream):
            return
        roster = self._roster
        turn = roster.sent[due.stream] % roster.flows[due.stream]
        session = roster.first_session[due.stream] + turn
        roster.sent[due.stream] += 1
        channel = roster.channel_of[session]
        order = np.argsort(channel, kind="stable")
        ends = np.flatnonzero(np.diff(channel[order])) + 1
        for part in np.split(order, ends):
            through = roster.channels[int(channel[part[0]])]
            for start in range(0, len(part), through.capacity):
                some = part[start : start + through.capacity]
                self._send(through, session[some], due.planned_ns[some])

    def _send(
        self,
        channel: Channel | ConnectChannel,
        session: NDArray[np.int64],
        planned_ns: NDArray[np.int64],
    ) -> None:
        """Send one batch through one channel and enter it into the ledger."""
        ledger, roster = self._ledger, self._roster
        row, sequence = ledger.claim(session)
        self._give_up(row[ledger.rows["state"][row] == FLYING])  # its ring has come round
        self._finish(row[ledger.rows["held"][row]])
        now_ns = self.scale.monotonic_ns()
        wall_ns = now_ns + self.scale.offset_ns
        probes = Outgoing(
            session, sequence, roster.tokens(session, sequence), wall_ns, self._error_estimate
        )
        result, check = channel.send(probes, roster.address[session], row)
        window = self._windows.number_at(now_ns)
        lateness_ns = now_ns - planned_ns
        ledger.enter(
            row,
            sequence,
            session,
            check=check,
            key=result.key,
            channel=channel.number,
            window=window,
            lateness_ns=lateness_ns,
            sent_kind=STAMP_USER,
            sent_ns=now_ns,
            sent_wall_ns=wall_ns,
        )
        self._windows.sent(window, len(row))
        self._lateness_max_ns = max(self._lateness_max_ns, float(lateness_ns.max()))
        self._counts["sent"] += len(row)
        if result.error.any():
            self._note_drops(row, result.error)

    def _note_drops(self, row: NDArray[np.int64], error: NDArray[np.int32]) -> None:
        """File probes that never left this host."""
        dropped = row[error != 0]
        self._ledger.rows["cause"][dropped] = error[error != 0]
        self._drops.update(error[error != 0].tolist())
        self._counts["sent"] -= len(dropped)
        fate = np.full(len(dropped), LOCAL_DROP, np.uint8)
        self._deliver(finish_unanswered(self._ledger, dropped, fate, DROPPED))

    def _collect(self) -> None:
        """Read every channel that has something for us."""
        assert self._epoll is not None
        for fd, _ in self._epoll.poll(0):
            channel = self._channel_by_fd[fd]
            more = True
            while more:
                replies = channel.receive()
                self._take_transmit_stamps(channel)  # first, since replies are measured from them
                if replies is not None and len(replies):
                    self._account(replies)
                more = replies is not None and replies.ring_was_full
            for session, low_sequence, bits, cause in channel.refused():
                told = self._ledger.note_causes(session, low_sequence, bits, cause)
                self._refusals.update(cause.tolist()[:told])

    def _take_transmit_stamps(self, channel: Channel | ConnectChannel) -> None:
        """Replace the engine's own send times by the kernel's."""
        rows = self._ledger.rows
        while True:
            row, stamps = channel.transmit_stamps()
            right = (row >= 0) & (rows["key"][row] == stamps.key)
            right &= rows["channel"][row] == channel.number
            row = row[right]
            wall_ns = self.scale.seen_wall_ns(stamps.stamp_ns[right])
            rows["sent_wall_ns"][row] = wall_ns
            sent_ns = self.scale.to_monotonic_ns(wall_ns)
            held_ns = sent_ns - rows["sent_ns"][row]
            if (held_ns > _HELD_NS).any():  # by neighbour discovery or a full queue
                rows["forget_ns"][row] += np.maximum(held_ns, 0)
            rows["sent_ns"][row] = sent_ns
            rows["sent_kind"][row] = STAMP_KERNEL
            if not channel.more_stamps(len(stamps)):
                return

    def _account(self, replies: Replies) -> None:
        """Match replies with probes and file what they finish."""
        matched = self._ledger.match(
            replies.session, replies.low_sequence, replies.sequence_bits, replies.check
        )
        self._counts["stray"] += matched.stray
        if len(matched.repeated):
            copy = duplicates(self._ledger, self.scale, matched, replies)
            again = records(self._ledger.rows, copy)
            stream = self._ledger.sessions["stream"][again["session"]]
            self._windows.repeated(again["window"], stream)
        if len(matched.row):
            self._counts["received"] += len(matched.row)
            enter_answers(self._ledger, self.scale, matched, replies, self._bound_ns)
            self._stamping = int(self._ledger.rows["stamping"][matched.row[-1]])
            ready, held = take_follow_ups(self._ledger, matched, replies)
            self._ledger.hold(held, self.scale.monotonic_ns())
            self._finish(ready)

    def _sweep(self, now_ns: int) -> None:
        """Give up probes whose answers are overdue and hand out the windows that are complete."""
        self._give_up(self._ledger.overdue(now_ns))
        self._finish(self._ledger.held_too_long(now_ns))
        if self._pacer.finished():  # nothing will follow them
            self._finish(self._ledger.newest_held())
        self._windows.close_ready(now_ns, self._roster.stream_ids)
        self._release_retired()

    def _give_up(self, row: NDArray[np.int64]) -> None:
        """File probes as lost, in the direction that the reflector's count tells."""
        if not len(row):
            return
        direction = directions_of_loss(self._ledger, row)
        rows = self._ledger.rows
        direction[np.isin(rows["cause"][row], NEVER_ARRIVED)] = FORWARD
        fate = (LOST_FORWARD + direction).astype(np.uint8)
        for number in np.unique(rows["channel"][row]):
            back = np.flatnonzero((rows["channel"][row] == number) & (direction != FORWARD))
            channel = self._roster.channels[int(number)]
            dropped = back[channel.claim_overflow(rows["sent_ns"][row[back]], self._swept_ns)]
            fate[dropped] = LOCAL_DROP
            rows["cause"][row[dropped]] = errno.ENOBUFS
            self._counts["sent"] -= len(dropped)
        self._deliver(finish_unanswered(self._ledger, row, fate, LOST))

    def _finish(self, row: NDArray[np.int64]) -> None:
        """File answered probes that wait for nothing more."""
        if len(row):
            self._deliver(finish_answered(self._ledger, row))

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
                fate=finished.fate,
                stamping=finished.stamping,
                answer=finished.answer,
                cause=finished.cause,
            )
        )
