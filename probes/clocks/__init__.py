"""What is known of clocks: their bounds, their steps, and how well this machine timestamps."""
