"""The canonical model: the records every adapter produces and every policy speaks about."""

from engine.canonical.schema import ENTITIES, PROVENANCE, SCHEMA_VERSION, EntitySpec, entity_spec

__all__ = ["ENTITIES", "PROVENANCE", "SCHEMA_VERSION", "EntitySpec", "entity_spec"]
