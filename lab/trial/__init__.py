"""Trials of the judge: simulated paths whose true figures are known, judged and scored."""
