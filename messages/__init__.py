"""What agents and the controller say to each other: plans, chunks of windows, health, enrolment."""
