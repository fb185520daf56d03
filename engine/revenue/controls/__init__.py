"""Findings of revenue: what is missing, what does not fit, what the revenue engine says otherwise."""
