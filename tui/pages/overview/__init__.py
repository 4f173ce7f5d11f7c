"""The overview: one row per target."""
