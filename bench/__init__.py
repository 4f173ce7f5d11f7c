"""Benchmarks: each prints our figures beside its peers', measured in turns in one run."""
