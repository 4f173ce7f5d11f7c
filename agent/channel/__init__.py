"""What the agent and its controller say to each other, and over which connections."""
