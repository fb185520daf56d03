"""Positions, balances, currencies and proposed entries."""
