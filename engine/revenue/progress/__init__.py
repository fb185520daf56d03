"""What was done of each promise: observed, worked, delivered."""
