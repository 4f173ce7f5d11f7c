"""Losses are judged by kinds of rows: the same as one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.judge.judge import judge
from controller.judge.loss import clopper_pearson
from controller.judge.loss_verdicts import alike_rows


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 60), wide=st.sampled_from([3, 2**40]))
def test_rows_of_a_kind_are_alike_in_every_column(seed, n, wide):
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, wide, n) % 7 * (wide // 3) for _ in range(3)]
    columns.append(rng.choice([0.01, 0.0077, np.pi], n))
    first, kind = alike_rows(*columns)
    for column in columns:
        assert (column[first][kind] == column).all()
    assert len(first) == len(set(zip(*columns, strict=True)))


def test_many_rows_are_judged_as_each_alone(evidence, rules):
    rng = np.random.default_rng(2)
    lost = rng.integers(0, 12, 40)
    seen = evidence([np.full(300, 1e6)] * 40, lost=lost)
    together = judge(seen, rules(40, kind="loss", limit=0.01))
    for i in range(40):
        alone = judge(evidence([np.full(300, 1e6)], lost=lost[i]), rules(kind="loss", limit=0.01))
        assert (alone.low[0], alone.high[0]) == (together.low[i], together.high[i])
        assert alone.verdict[0] == together.verdict[i]


def test_intervals_are_never_shorter_than_the_exact_ones(evidence, rules):
    lost = np.arange(0, 30, 3)
    seen = evidence([np.full(1000, 1e6)] * len(lost), lost=lost)
    found = judge(seen, rules(len(lost), kind="loss", limit=0.01), looks="once")
    low, high = clopper_pearson(lost, 1000 + lost, 0.05)
    assert (found.low <= low).all()
    assert (found.high >= high).all()
