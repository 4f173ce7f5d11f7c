"""The probe engine: one thread that sends what is due, takes what comes back and keeps account.

A tick sends all that is due about then, with one system call a channel (`probes.engine.sender`).
Replies and TX timestamps wait in the sockets, since the kernel has noted when they came; a few
times per second they are collected, and windows that are complete are handed out
(`probes.engine.account`).
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import select
import socket
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from foundation.clock import Clock, SystemClock
from probes.causes import Cause
from probes.channels.channel import Channel, FlowMark
from probes.clocks.timescale import TimeScale
from probes.engine.account import Account
from probes.engine.accumulate import OUTCOMES
from probes.engine.ledger import Ledger
from probes.engine.pacing import Pacer
from probes.engine.report import EngineHealth, SampleBatch, Tally
from probes.engine.roster import Roster
from probes.engine.sender import Sender
from probes.engine.standby import Standby
from probes.engine.ticks import Ticks
from probes.engine.windows import OpenWindows
from probes.sockets.obstacles import explaining_obstacles
from probes.sockets.routes import RouteWatch
from probes.stamp.timestamps import encode_error_estimate
from probes.stream import StreamSpec
from probes.window import WindowBatch

LINGER_NS = 1_000_000_000  # how long after its time-out an answer is still told from a loss
_COLLECT_NS = 400_000_000  # how often answers are collected
_SHOW_NS, _ENDING_NS = 50_000_000, 20_000_000  # where somebody looks at each, and at the end
_COLLECT_PROBES = 1024  # or when so many have been sent, or as many as a buffer has room for
_STALL_NS = 100_000_000  # so late a tick is a stall
_STANDSTILL_NS = 30_000_000_000  # so long without a tick is a fault
_CLOCK_CHECK_NS = 1_000_000_000
_ROUTE_CHECK_NS = 30_000_000_000  # beside being told
_UNSYNCHRONISED_NS = 16e9
_PR_SET_TIMERSLACK = 29

__all__ = ["OUTCOMES", "Engine", "EngineHealth", "SampleBatch"]


class Engine:
    """Runs streams and hands out their windows (and, if asked, every probe's outcome).

    `own_clock_bound_ns()` bounds this machine's clock error, NaN while it is not synchronised.
    `timestamp_shift_ns` shifts every wall timestamp (lab and tests). Each stream ends after
    `probes_per_stream` probes, if given; `first_at_once` lets the first leave now, not at a random
    moment of its interval. `stamp_keys` are those of authenticated streams, by
    destination; without one they do not run. Callbacks run on the engine's thread. Sockets belong
    to the network namespace of the thread that calls `start()`.
    """

    def __init__(
        self,
        specs: Sequence[StreamSpec],
        *,
        window_ns: int,
        on_windows: Callable[[WindowBatch], None],
        clock: Clock | None = None,
        own_clock_bound_ns: Callable[[], float] = lambda: math.nan,
        timestamp_shift_ns: int = 0,
        probes_per_stream: int | None = None,
        first_at_once: bool = False,
        on_samples: Callable[[SampleBatch], None] | None = None,
        calibration_ns: int | None = None,
        generator: np.random.Generator | None = None,
        stamp_keys: Mapping[str, bytes] | None = None,
        tally: Tally | None = None,
    ) -> None:
        generator = generator or np.random.default_rng()
        self.scale = TimeScale(clock or SystemClock(), timestamp_shift_ns)
        self._tally = tally or Tally()
        self._ledger = Ledger(LINGER_NS, probes_per_stream)
        self._roster = Roster(self._ledger, generator)
        self._pacer = Pacer(generator)
        self._ticks = Ticks(self._pacer)
        self._windows = OpenWindows(window_ns, self.scale.offset_ns, on_windows)
        parts = (self._ledger, self._roster, self._windows, self.scale, self._tally)
        self._account = Account(*parts, on_samples)
        self._sender = Sender(*parts, self._account)
        # Who looks at every probe wants to see it soon.
        self._collect_every_ns = _COLLECT_NS if on_samples is None else _SHOW_NS
        self._own_clock_bound_ns = own_clock_bound_ns
        self._probes_per_stream = probes_per_stream
        self._first_at_once = first_at_once
        self._calibration_ns = calibration_ns
        self._wanted: tuple[tuple[StreamSpec, ...], Mapping[str, bytes]] | None
        self._wanted = tuple(specs), stamp_keys or {}
        self._running: dict[StreamSpec, int] = {}
        self._retired: list[tuple[int, list[int]]] = []  # (last window, stream numbers)
        self._standby = Standby()
        self._ticked_ns = self.scale.monotonic_ns()
        self._clock_checked_ns = self._collected_ns = self._routes_checked_ns = 0
        self._collected_sent = 0  # probes sent when answers were last collected
        self._collect_probes = _COLLECT_PROBES
        self._changes_seen = self._steps_seen = 0
        self._poll = select.poll()  # not epoll, which would have the kernel call for every packet
        self._poller: select.epoll | None = None  # user-timestamped descriptors, and `_wakeup_fd`
        self._wakeup_fd = -1
        self._routes: RouteWatch | None = None
        self._channel_by_fd: dict[int, Channel] = {}
        self._user_timestamped: set[int] = (
            set()
        )  # descriptors whose answers are timestamped when they are read
        self._wake = threading.Event()
        self._wakeup_lock = (
            threading.Lock()
        )  # nobody writes to a descriptor that is another's by now
        self._stopping = self._abandon = False
        self._failure: BaseException | None = None
        # Waited for in place of the thread: a join() that Ctrl-C interrupts takes the thread for
        # ended (bpo-45274), and what it still counts would be missing.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe-engine", daemon=True)

    def start(self) -> None:
        """Open the sockets and start probing. Streams that cannot run are told by `health()`."""
        with explaining_obstacles(socket.AF_UNSPEC, None):
            self._poller = select.epoll()
            self._wakeup_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._poller.register(self._wakeup_fd, select.EPOLLIN)
            self._routes = RouteWatch()
        try:
            with explaining_obstacles(socket.AF_UNSPEC, None):  # memory for what will be in flight
                self._apply_wanted()
            self._thread.start()
        except BaseException:
            self._close()
            raise

    def stop(self, *, wait_for_replies: bool = True) -> None:
        """Send no more; wait for probes in flight (up to their time-outs), close the windows.

        With `wait_for_replies` False what is in flight now is left out of every count but
        `in_flight`.
        """
        self._abandon = not wait_for_replies
        self._stopping = True
        self._wake_up()
        if self._thread.ident is not None:
            self._ended.wait()
        self._close()  # again, for an engine that never ran
        self._raise_failure()

    def _close(self) -> None:
        """Close all sockets; may be called twice."""
        self._roster.pool.close()
        for one in (self._poller, self._routes):
            if one is not None:
                one.close()
        with self._wakeup_lock:
            wakeup_fd, self._wakeup_fd = self._wakeup_fd, -1
            if wakeup_fd >= 0:
                os.close(wakeup_fd)

    def wait_until_finished(self, timeout_s: float | None = None) -> bool:
        """Wait until every stream has sent all its probes and each has an outcome."""
        ended = self._ended.wait(timeout_s)
        self._raise_failure()
        return ended

    def update(
        self, specs: Sequence[StreamSpec], stamp_keys: Mapping[str, bytes] | None = None
    ) -> None:
        """Run these streams from the next tick on; unchanged ones continue undisturbed.

        `stamp_keys` are those of authenticated ones from then on.
        """
        self._wanted = tuple(specs), stamp_keys or {}
        self._wake_up()

    def stands_still(self) -> bool:
        """Tell whether the engine's thread runs but has not ticked for long."""
        silent_ns = self.scale.monotonic_ns() - self._ticked_ns
        return self._thread.is_alive() and silent_ns > _STANDSTILL_NS

    def nonconforming_replies(self) -> dict[StreamSpec, dict[str, int]]:
        """Return how many replies were odd in which way (`probes.stamp.nonconforming`), of the
        streams that had such replies."""
        counts = self._account.nonconforming_replies
        found = ((spec, counts.of(number)) for spec, number in tuple(self._running.items()))
        return {spec: odd for spec, odd in found if odd}

    def in_flight(self) -> dict[StreamSpec, list[int]]:
        """Return how many probes of each stream, by flow, were in flight when an engine ended that
        waited for none of them."""
        counts, running = self._ledger.in_flight(), tuple(self._running.items())
        flying = ((spec, counts[self._roster.sessions_of(number)]) for spec, number in running)
        return {spec: count.tolist() for spec, count in flying if count.any()}

    def flow_marks(self) -> dict[StreamSpec, list[FlowMark]]:
        """Return what tells the flows of each running stream apart."""
        running = tuple(self._running.items())
        return {spec: self._roster.flow_marks(number) for spec, number in running}

    def late_intervals(self) -> dict[StreamSpec, int]:
        """Return how many intervals of each running stream went by since this machine was late."""
        running = tuple(self._running.items())
        return {spec: self._pacer.late_intervals(number) for spec, number in running}

    def health(self) -> EngineHealth:
        """Return how the engine is."""
        overflowed = sum(
            channel.socket.overflowed for channel in tuple(self._roster.channels.values())
        )
        return self._tally.health(
            streams=len(self._running),
            calibration_ns=self._calibration_ns,
            overflowed=self._roster.pool.overflowed + overflowed,
            skipped=self._pacer.skipped,
            late_moments=self._pacer.late_moments,
            clock_steps=self.scale.steps,
            refused=self._standby.refused(),
        )

    def cause(self, code: int) -> Cause:
        """Return what a probe's cause stands for."""
        return self._tally.causes.of(code)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise RuntimeError("the probe engine broke") from self._failure

    def _run(self) -> None:
        """Tick until told to stop and every probe has an outcome."""
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        try:
            while self._tick(self.scale.monotonic_ns()):
                self._sleep(self.scale.monotonic_ns())
            self._account.finish_all()
            self._windows.close_all(self._roster.stream_ids)
        except BaseException as failure:  # noqa: BLE001 - told to whoever stops the engine
            self._failure = failure
        finally:
            self._close()
            self._ended.set()

    def _wake_up(self) -> None:
        """Let the engine's thread tick now."""
        self._wake.set()
        with self._wakeup_lock:
            if self._wakeup_fd >= 0:
                os.eventfd_write(self._wakeup_fd, 1)

    def _sleep(self, now_ns: int) -> None:
        """Wait until the next tick is due, or until an answer that cannot wait is there."""
        due_ns = self._ticks.next_ns(self._collected_ns, self._patience_ns())
        sleep_s = max(due_ns - now_ns, 0) / 1e9
        if self._user_timestamped:
            assert self._poller is not None
            self._poller.poll(sleep_s)
        elif sleep_s:
            self._wake.wait(sleep_s)
        self._wake.clear()

    def _patience_ns(self) -> int:
        """Return how long answers may wait in their sockets."""
        if self._roster.is_resolving:
            return 0
        if self._stopping:
            return 0 if self._abandon else _ENDING_NS
        ends = self._windows.in_flight > 0 and self._pacer.finished()
        return _ENDING_NS if ends else self._collect_every_ns

    def _tick(self, now_ns: int) -> bool:
        """Do all that is to be done now; return False when nothing will ever be again."""
        self._ticked_ns = now_ns
        self._apply_wanted()
        if self._stopping:
            self._pacer.stop(np.arange(len(self._roster.specs)))
        self.scale.look()
        self._follow_clock(now_ns)
        due_ns = self._ticks.due_ns
        if due_ns and now_ns - due_ns > _STALL_NS:
            self._windows.stalled(now_ns, now_ns - due_ns)
        self._check_clock(now_ns)
        horizon_ns = self._ticks.horizon_ns(now_ns)
        if horizon_ns is not None:
            self._sender.send_due(self._pacer.take(now_ns, horizon_ns))
        if self._user_timestamped:
            self._collect_user_timestamped()
        self._collect(now_ns)
        if self._stopping and self._abandon:
            return False
        ends = self._stopping or self._probes_per_stream is not None
        return not (ends and self._pacer.finished() and not self._windows.in_flight)

    def _collect(self, now_ns: int) -> None:
        """A few times per second, read all sockets and hand out the windows that are complete."""
        recent = now_ns - self._collected_ns < self._patience_ns()
        if recent and self._tally.sent - self._collected_sent < self._collect_probes:
            return
        self._collected_ns, self._collected_sent = now_ns, self._tally.sent
        for fd, _ in self._poll.poll(0):
            self._account.collect(self._channel_by_fd[fd])
        self._check_routes(now_ns)
        self._roster.resolve_some()
        self._account.sweep(now_ns, nothing_follows=self._pacer.finished())
        self._windows.close_ready(now_ns, self._roster.stream_ids)
        self._release_retired()

    def _collect_user_timestamped(self) -> None:
        """Read what cannot wait, and clear the wake-up."""
        assert self._poller is not None
        for fd, _ in self._poller.poll(0):
            if fd == self._wakeup_fd:
                os.eventfd_read(fd)
            else:
                self._account.collect(self._channel_by_fd[fd])

    def _apply_wanted(self) -> None:
        """Stop what is no longer wanted and start what is new, if something else is wanted."""
        if self._wanted is None:
            return
        (specs, stamp_keys), self._wanted = self._wanted, None
        self._roster.use_keys(stamp_keys)
        wanted = dict.fromkeys(specs)
        self._retire([spec for spec in self._running if spec not in wanted])
        self._standby.keep(wanted)
        self._begin([spec for spec in wanted if spec not in self._running])

    def _retire(self, gone: Sequence[StreamSpec]) -> None:
        """Let streams send no more; what they have in flight finds its end."""
        numbers = [self._running[spec] for spec in gone]
        self._pacer.stop(np.array(numbers, np.int64))
        if numbers:
            self._retired.append((self._windows.number_at(self.scale.monotonic_ns()), numbers))
        left = set(gone)
        self._running = {spec: n for spec, n in self._running.items() if spec not in left}

    def _begin(self, fresh: Sequence[StreamSpec]) -> None:
        """Start streams; those that cannot run stand by."""
        before = set(self._roster.channels)
        accepted, numbers, why = self._roster.add(fresh)
        self._standby.note(fresh, accepted, why)
        for number in self._roster.channels.keys() - before:
            self._listen(self._roster.channels[number])
        running = [fresh[index] for index in accepted]
        self._account.nonconforming_replies.begin(numbers)
        self._running |= dict(zip(running, numbers.tolist(), strict=True))
        self._pacer.add(
            self.scale.monotonic_ns(),
            np.array([spec.interval_ms * 1e6 for spec in running], np.float64),
            np.array([spec.jitter_ratio for spec in running], np.float64),
            np.array([spec.pacing == "poisson" for spec in running], np.bool_),
            self._probes_per_stream,
            rows=numbers,
            at_once=self._first_at_once,
        )

    def _listen(self, channel: Channel) -> None:
        """Be told when a channel has something for us."""
        assert self._poller is not None
        fd = channel.socket.fileno()
        self._channel_by_fd[fd] = channel
        self._poll.register(fd, select.POLLIN)
        self._collect_probes = min(self._collect_probes, channel.socket.room())
        if channel.timestamps_when_read:
            self._poller.register(fd, select.EPOLLIN)
            self._user_timestamped.add(fd)

    def _release_retired(self) -> None:
        """Give up what was kept for streams off the plan, once their last windows are out."""
        while self._retired and self._windows.are_over(self._retired[0][0]):
            self._forget(self._roster.release(self._retired[0][1]))
            del self._retired[0]

    def _forget(self, closed: Sequence[int]) -> None:
        """Wait no more for sockets that were closed, which took them out of the poller's set."""
        for fd in closed:
            del self._channel_by_fd[fd]
            self._poll.unregister(fd)
            self._user_timestamped.discard(fd)

    def _check_routes(self, now_ns: int) -> None:
        """Follow changes of routes and addresses: they change what can run, and what TCP probes
        leave from."""
        changed = self._routes is not None and self._routes.changed()
        if changed or now_ns - self._routes_checked_ns >= _ROUTE_CHECK_NS:
            self._routes_checked_ns = now_ns
            self._follow_interfaces()
            self._roster.pool.follow_sources()
            self._roster.resolve_sources()
            if self._probes_per_stream is None and not self._stopping:
                self._retire(self._standby.take_in(self._running))
                if waiting := self._standby.specs():
                    self._begin(waiting)

    def _follow_interfaces(self) -> None:
        """Send through the interfaces that carry the names of those that streams go through."""
        closed, opened = self._roster.follow_interfaces()
        self._forget(closed)
        for channel in opened:
            self._listen(channel)

    def _follow_clock(self, now_ns: int) -> None:
        """Align windows to the wall clock as it is now, if it has changed."""
        if self.scale.changes == self._changes_seen:
            return
        if self.scale.steps > self._steps_seen:
            self._windows.mark_suspect(now_ns)
        self._windows.anchor(now_ns, self.scale.offset_ns)
        self._changes_seen, self._steps_seen = self.scale.changes, self.scale.steps

    def _check_clock(self, now_ns: int) -> None:
        """Ask now and then how far the own clock may be off."""
        if self._clock_checked_ns and now_ns - self._clock_checked_ns < _CLOCK_CHECK_NS:
            return
        self._clock_checked_ns = now_ns
        bound_ns = self._account.own_bound_ns = self._own_clock_bound_ns()
        known = not math.isnan(bound_ns)
        error_ns = bound_ns if known else _UNSYNCHRONISED_NS
        self._sender.error_estimate = encode_error_estimate(error_ns, synchronised=known)
