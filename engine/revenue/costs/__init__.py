"""Costs of contracts and losses expected of them."""
