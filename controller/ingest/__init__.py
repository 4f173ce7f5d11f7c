"""From a body that an agent delivers to windows in the store."""
