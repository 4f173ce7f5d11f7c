"""What each agent has to do: made, versioned, signed and pushed."""
