"""What chunks hold: results of each kind in a typed, versioned section of its own."""
