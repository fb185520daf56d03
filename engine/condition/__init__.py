"""The condition language: SQL-like text over canonical fields, checked, compiled to Polars, told in words."""

from engine.condition.codes import CODES
from engine.condition.compile import CompiledCondition, compile_condition, compile_value
from engine.condition.reach import attach_references
from engine.condition.scope import Scope, Type, decimal, entity_scope, enum

__all__ = [
    "CODES",
    "CompiledCondition",
    "Scope",
    "Type",
    "attach_references",
    "compile_condition",
    "compile_value",
    "decimal",
    "entity_scope",
    "enum",
]
