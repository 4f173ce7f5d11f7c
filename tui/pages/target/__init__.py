"""The page of one target or group of targets."""
