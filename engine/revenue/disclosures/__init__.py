"""What the notes to the accounts need."""
