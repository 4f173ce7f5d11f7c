"""What could keep an agent from measuring: looked at one thing after another, and told."""
