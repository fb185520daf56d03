"""Contracts and their promises, as signed and as amended."""
