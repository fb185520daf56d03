"""Mapping files: how each source system's exports become canonical records."""
