"""What was measured, on disk until the controller has committed it, and every result counted."""
