"""Decision tables: read from pipes, CSV or sheets, checked before any data, compiled to one lazy pass."""

from engine.decision.codes import CODES
from engine.decision.compile import CompiledTable, compile_table
from engine.decision.explain import RuleOutcome, explain_rules, nearest, why, why_not
from engine.decision.reading import read_csv, read_pipes, read_rows
from engine.decision.table import Aggregation, DecisionTable, Grid, GridCell, HitPolicy, TableInput, output_type, parse_hit
from engine.decision.versions import TableVersion, VersionedTable

__all__ = [
    "CODES",
    "Aggregation",
    "CompiledTable",
    "DecisionTable",
    "Grid",
    "GridCell",
    "HitPolicy",
    "RuleOutcome",
    "TableInput",
    "TableVersion",
    "VersionedTable",
    "compile_table",
    "explain_rules",
    "nearest",
    "output_type",
    "parse_hit",
    "read_csv",
    "read_pipes",
    "read_rows",
    "why",
    "why_not",
]
