"""What was measured and what happened, kept: the interface of a store and its engines."""
