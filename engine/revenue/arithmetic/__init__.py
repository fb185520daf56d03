"""Exact arithmetic of revenue: whole numbers, rounding, proration, runs of rows."""
