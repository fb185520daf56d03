"""Tieout's engine: pure stages over canonical records and policies. Touches nothing outside."""
