"""Whether the controller's own parts work: its loops, its store, its clock."""
