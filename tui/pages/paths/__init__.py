"""The list of paths."""
