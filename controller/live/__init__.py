"""Verdicts and states of the whole map, made anew every few seconds."""
