"""Trials of the whole product: a fleet on one machine, harm done to it, the judge on trial.

`fleet` measures over an emulated WAN whose truth is known, `faults` does harm to a fleet and
accounts for every probe, `trial` holds the judge against simulated paths. Each has its command.
"""
