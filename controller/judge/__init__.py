"""Verdicts that hold: pure statistics, arrays in, arrays out. No I/O and no clock in here."""
