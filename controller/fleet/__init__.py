"""The agents as the controller sees them, and what of the fleet's time does not count."""
