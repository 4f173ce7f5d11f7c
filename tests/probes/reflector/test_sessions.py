import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probes.reflector.sessions import SessionTable, Sources, is_fresh

S = 1_000_000_000


def sources(ports):
    count = len(ports)
    return Sources(
        np.zeros(count, np.uint64),
        np.full(count, 0xFFFF_7F00_0001, np.uint64),
        np.array(ports, np.uint16),
    )


def numbers(table, ports, *, ssid=0, local=1, now_ns=0):
    slot = table.slots(sources(ports), np.full(len(ports), ssid, np.uint16), local, now_ns)
    return table.take_sequence(slot).tolist()


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=30), max_size=20))
def test_every_session_counts_by_itself_whatever_the_batches(batches):
    table = SessionTable()
    counts = dict.fromkeys(range(10), 0)
    for batch in batches:
        expected = []
        for port in batch:
            expected.append(counts[port])
            counts[port] += 1
        assert numbers(table, batch) == expected
    assert table.count == sum(count > 0 for count in counts.values())


def test_ssid_and_local_socket_make_sessions_of_their_own():
    table = SessionTable()
    assert numbers(table, [5, 5]) == [0, 1]
    assert numbers(table, [5], ssid=9) == [0]
    assert numbers(table, [5], local=2) == [0]
    assert numbers(table, [5]) == [2]


def test_numbers_wrap_at_two_to_the_32():
    table = SessionTable()
    numbers(table, [5])
    table.rows["sequence"][0] = 2**32 - 2
    assert numbers(table, [5, 5, 5]) == [2**32 - 2, 2**32 - 1, 0]


def test_a_full_table_forgets_the_idle_and_keeps_the_busy():
    table = SessionTable(limit=100, idle_ns=10 * S)
    numbers(table, range(1, 51), now_ns=0)
    numbers(table, range(51, 101), now_ns=8 * S)
    assert numbers(table, [200], now_ns=15 * S) == [0]
    assert table.count == 51
    assert numbers(table, [60], now_ns=15 * S) == [1]
    assert numbers(table, [10], now_ns=15 * S) == [0]
    assert table.forgets == 1


def test_a_flood_of_new_sessions_stays_within_the_limit_and_spares_who_is_active():
    table = SessionTable(limit=100)
    for step in range(200):
        batch = [1, *range(1000 + 40 * step, 1040 + 40 * step)]
        assert numbers(table, batch, now_ns=step * S)[0] == step
        assert table.count <= 100
    assert len(table.rows) <= 512


@given(st.permutations(range(60)))
def test_every_number_is_fresh_once_within_the_window(order):
    session = SessionTable().rows[:1].copy()
    session["replay_highest"] = -1
    for sequence in order:
        assert is_fresh(session[0], sequence, sequence)
    for sequence in order:
        assert not is_fresh(session[0], sequence, sequence)


def test_an_old_number_is_fresh_only_under_a_new_time():
    session = SessionTable().rows[:1].copy()
    assert is_fresh(session[0], 1000, 50 * S)
    assert not is_fresh(session[0], 3, 50 * S)
    assert is_fresh(session[0], 3, 51 * S)  # the sender began again
    assert not is_fresh(session[0], 3, 51 * S)


def test_a_clock_that_steps_back_makes_no_loss():
    session = SessionTable().rows[:1].copy()
    assert is_fresh(session[0], 1, 50 * S)
    assert is_fresh(session[0], 2, 40 * S)
    assert is_fresh(session[0], 2**32 - 1, 40 * S)


def slots(table, ports):
    return table.slots(sources(ports), np.zeros(len(ports), np.uint16), 1, 0)


def test_every_departure_is_told_once_in_order_also_those_of_one_batch():
    table = SessionTable()
    one, other = slots(table, [5, 6])
    assert table.take_tx_times(np.array([one]))[1].tolist() == [0]
    replies = np.array([one, one, other, one])
    table.note_tx_times(replies, np.array([0, 1, 5, 2], np.uint32), np.arange(11, 15))
    told, left_ns = table.take_tx_times(np.array([one, other, one]))
    assert told.tolist() == [0, 5, 1]
    assert left_ns.tolist() == [11, 13, 12]
    assert table.take_tx_times(np.array([one]))[0].tolist() == [2]
    assert table.take_tx_times(np.array([one, other]))[0].tolist() == [2, 5]  # all told: again


def test_only_the_latest_sixteen_departures_are_remembered():
    table = SessionTable()
    slot = slots(table, [5])
    for number in range(22):
        table.note_tx_times(slot, np.array([number], np.uint32), np.array([100 + number]))
    told = [int(table.take_tx_times(slot)[0][0]) for _ in range(17)]
    assert told == [*range(6, 22), 21]


def test_departures_of_long_ago_do_not_hold_up_the_later_ones():
    table = SessionTable()
    slot = slots(table, [5])
    for number, left_ns in enumerate([1, 2, 3, 400_000_000, 400_000_001]):
        table.note_tx_times(slot, np.array([number], np.uint32), np.array([left_ns]))
    one_by_one = SessionTable()
    place = int(slots(one_by_one, [5])[0])
    for number, left_ns in enumerate([1, 2, 3, 400_000_000, 400_000_001]):
        one_by_one.note_tx_time(place, number, left_ns)
    assert [int(table.take_tx_times(slot)[0][0]) for _ in range(3)] == [3, 4, 4]
    assert [one_by_one.take_tx_time(place)[0] for _ in range(3)] == [3, 4, 4]
