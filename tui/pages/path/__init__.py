"""The page of one path."""
