"""One living channel an agent: who is here and answers stays, and who it was is not forgotten."""

import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from controller.plans.channels import (
    LAG_NS,
    LATELY_NS,
    MAX_OPEN,
    TOLD_AGAIN_NS,
    Channel,
    Channels,
    Claimed,
    DuplicateAgents,
)
from controller.store.interface import Store
from controller.store.records import DUPLICATES_KEPT, DuplicateRecord
from foundation.errors import ResourceError
from tests.controller.conftest import SetClock

NAME = "nanjing"
A, B, C = "aaaaaaaa", "bbbbbbbb", "cccccccc"
NEW = 0  # how long one runs that was started a moment ago
HOUR_NS = 3_600_000_000_000


class Line:
    """A connection whose other end answers every ping, or is gone."""

    def __init__(self, channels: Channels, *, answers: bool) -> None:
        self.channels, self.answers = channels, answers
        self.channel = Channel(self)
        self.is_cut = False
        self.meanwhile: list[Claimed | None] = []  # what others are told while this one is asked

    async def send(self, message: str) -> None:
        raise AssertionError(message)

    async def ping(self, data: bytes) -> None:
        if not self.answers:
            raise ConnectionError
        third = Line(self.channels, answers=True).channel
        self.meanwhile.append(await self.channels.claim(NAME, third, C, NEW))
        self.channels.heard(NAME, self.channel, data)

    def cut(self) -> None:
        self.is_cut = True

    def is_let_in(self) -> bool:
        return True


@pytest.fixture
def channels(clock: SetClock) -> Channels:
    return Channels(clock)


async def come(
    channels: Channels, boot: str, *, answers: bool = True, up_ns: int = NEW
) -> tuple[Line, Claimed | None]:
    line = Line(channels, answers=answers)
    return line, await channels.claim(NAME, line.channel, boot, up_ns)


async def test_the_first_is_heard_and_stays_while_it_answers(channels: Channels) -> None:
    first, claimed = await come(channels, A)
    assert claimed == Claimed(is_heard=True)
    claim = first.channel.claim
    second, refused = await come(channels, B)
    assert refused == Claimed(is_heard=False, beside=A)
    assert channels.living(NAME) is first.channel
    assert not first.is_cut
    assert channels.refused[NAME] == 1
    assert first.channel.claim == claim  # another boot does not know it
    assert second.channel.claim == ""


async def test_a_copy_with_the_boot_of_the_first_makes_its_claim_another(
    channels: Channels,
) -> None:
    first, _ = await come(channels, A)
    claim = first.channel.claim
    assert (await come(channels, A))[1] == Claimed(is_heard=False, beside=A)
    assert first.channel.claim not in ("", claim)
    assert not channels.may_deliver(NAME, claim)
    assert channels.may_deliver(NAME, first.channel.claim)


async def test_who_comes_while_the_first_is_being_asked_is_told_nothing_yet(
    channels: Channels,
) -> None:
    first, _ = await come(channels, A)
    await come(channels, B)
    assert first.meanwhile == [None]
    assert channels.refused[NAME] == 1


@pytest.mark.parametrize(("silent_ns", "is_followed"), [(LATELY_NS - 1, False), (LATELY_NS, True)])
async def test_one_that_answers_no_more_is_followed_when_it_was_silent_for_long_enough(
    channels: Channels, clock: SetClock, silent_ns: int, is_followed: bool
) -> None:
    first, _ = await come(channels, A, answers=False)
    clock.now_ns += 60_000_000_000
    channels.heard(NAME, first.channel)
    clock.now_ns += silent_ns
    second, claimed = await come(channels, B)
    assert claimed == (Claimed(is_heard=True) if is_followed else None)
    assert first.is_cut is is_followed
    assert channels.living(NAME) is (second if is_followed else first).channel


async def test_an_agent_that_comes_again_need_not_wait_for_its_own_dead_channel(
    channels: Channels,
) -> None:
    first, _ = await come(channels, A, answers=False)
    second, claimed = await come(channels, A)
    assert claimed == Claimed(is_heard=True)
    assert first.is_cut
    assert channels.living(NAME) is second.channel


def test_only_the_answer_to_the_ping_of_now_proves_life(channels: Channels) -> None:
    channel = Line(channels, answers=True).channel
    channel.asked = b"now"
    channels.heard(NAME, channel, b"before")
    assert not channel.alive.is_set()
    channels.heard(NAME, channel, b"now")
    assert channel.alive.is_set()


async def test_what_a_channel_held_is_free_when_it_ends(channels: Channels) -> None:
    line = Line(channels, answers=True)
    other = Line(channels, answers=True)
    with channels.opened(NAME, line.channel):
        await channels.claim(NAME, line.channel, A, NEW)
        with channels.opened(NAME, other.channel):
            pass
        assert channels.living(NAME) is line.channel  # it was not the other's
        assert not channels.may_deliver(NAME, None)
    assert channels.living(NAME) is None
    assert channels.may_deliver(NAME, None)


def test_an_agent_has_a_few_channels_open_and_takes_none_from_others(channels: Channels) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(MAX_OPEN):
            assert not channels.is_full(NAME)
            opened.enter_context(channels.opened(NAME, Line(channels, answers=True).channel))
        assert channels.is_full(NAME)
        assert not channels.is_full("suzhou")
    assert not channels.is_full(NAME)


@pytest.mark.parametrize(("before_ns", "beside"), [(LAG_NS, ""), (LAG_NS + 1, A)])
async def test_who_ran_well_before_the_last_word_of_another_lived_beside_it(
    channels: Channels, clock: SetClock, before_ns: int, beside: str
) -> None:
    first = Line(channels, answers=True)
    with channels.opened(NAME, first.channel):
        await channels.claim(NAME, first.channel, A, NEW)
    clock.now_ns += HOUR_NS
    _, claimed = await come(channels, B, up_ns=HOUR_NS + before_ns)
    assert claimed == Claimed(is_heard=True, beside=beside)


async def test_an_agent_never_lived_beside_itself(channels: Channels) -> None:
    first = Line(channels, answers=True)
    with channels.opened(NAME, first.channel):
        await channels.claim(NAME, first.channel, A, NEW)
    assert (await come(channels, A, up_ns=HOUR_NS))[1] == Claimed(is_heard=True)


def test_that_another_came_is_told_again_after_a_while_or_of_one_more(
    channels: Channels, clock: SetClock
) -> None:
    assert channels.is_news(NAME, A)
    clock.now_ns += TOLD_AGAIN_NS - 1
    assert not channels.is_news(NAME, A)
    clock.now_ns += 1
    assert channels.is_news(NAME, A)
    assert channels.is_news(NAME, B)
    assert channels.is_news("suzhou", B)


async def test_lives_beside_each_other_are_known_in_the_next_life_of_the_controller(
    store: Store, clock: SetClock
) -> None:
    await DuplicateAgents(store.duplicates, clock).note(NAME, heard=A, other=B, refused=True)
    known = DuplicateAgents(store.duplicates, clock)
    assert known.is_duplicate(NAME, [A])
    assert known.is_duplicate(NAME, [C, B])
    assert not known.is_duplicate(NAME, [C])
    assert not known.is_duplicate("suzhou", [A, B])
    wanted = DuplicateRecord(agent=NAME, boot=B, refused=True, seen_ns=clock.wall_ns())
    assert known.refused_last() == {NAME: wanted}


async def test_one_that_was_refused_before_stays_so_when_it_is_heard(
    store: Store, clock: SetClock
) -> None:
    known = DuplicateAgents(store.duplicates, clock)
    await known.note(NAME, heard=A, other=B, refused=True)
    await known.note(NAME, heard=B, other=C, refused=False)
    assert known.refused_last()[NAME].boot == B
    await known.note(NAME, heard=A, other=C, refused=True)
    assert known.refused_last()[NAME].boot == C  # the last of several
    await known.note(NAME, heard=A, other=B, refused=True)
    assert known.refused_last()[NAME].boot == B


class FullDisk:
    """Keeps nothing."""

    def put(self, records: Sequence[DuplicateRecord]) -> Future[None]:
        failed: Future[None] = Future()
        failed.set_exception(ResourceError("The disk is full.", "磁盘已满。"))
        return failed

    def records(self) -> list[DuplicateRecord]:
        return []


async def test_on_a_full_disk_a_copy_is_known_until_the_end_and_it_is_logged(
    clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    known = DuplicateAgents(FullDisk(), clock)
    with caplog.at_level(logging.ERROR, "isochrone.controller"):
        await known.note(NAME, heard=A, other=B, refused=True)
    assert known.is_duplicate(NAME, [B])
    assert "nanjing runs twice is not kept: The disk is full." in caplog.text


async def test_of_many_copies_those_seen_last_are_known(clock: SetClock) -> None:
    known = DuplicateAgents(FullDisk(), clock)
    for number in range(DUPLICATES_KEPT):
        await known.note(NAME, heard=A, other=f"{number:08x}", refused=True)
    assert not known.is_duplicate(NAME, [A])  # the oldest of one more than are kept
    assert known.is_duplicate(NAME, [f"{0:08x}"])
    assert known.is_duplicate(NAME, [f"{DUPLICATES_KEPT - 1:08x}"])
