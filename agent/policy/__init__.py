"""What the owner of the agent allows, and what that leaves of a plan."""
