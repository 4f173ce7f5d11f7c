"""What happens in the world and to the controller: typed events, one log, one bus."""
