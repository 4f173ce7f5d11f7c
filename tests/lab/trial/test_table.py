"""What a trial ends with: a table for people, a document for programs."""

from collections import Counter

from lab.trial.summary import run_trial
from lab.trial.table import lines


def test_the_table_is_whole_in_both_languages():
    summary = run_trial(25, 1)
    for language in ("en", "zh"):
        text = "\n".join(lines(summary, 1, language))
        assert all(each.name in text for each in summary.families)
    counts = Counter(each.promised for each in summary.families)
    assert counts[False] == 2
