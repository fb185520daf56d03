"""Revenue by day and line, as it was posted."""
