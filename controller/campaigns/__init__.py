"""Bounded campaigns and their reports."""
