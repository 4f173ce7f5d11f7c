"""Verdicts and states of the whole map, rebuilt every few seconds."""
