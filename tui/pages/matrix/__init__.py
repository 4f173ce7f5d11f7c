"""The matrix: site × site verdicts of one target."""
