"""Windows and rollups as files for other systems."""
