"""JSON Schemas of policy files, for editors: as authors write them, one for each kind and one that tells the kinds apart."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from engine.policy.kinds.registry import KINDS

WHOLE: Final = "policy.schema.json"
"""The schema of any policy file: by its `policy`, that of the kind."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """Describe what authors may write: one value where a list is taken, and the short form of a part that has one."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        return {"anyOf": [inner["items"], inner]} if inner.get("type") == "array" and "items" in inner else inner

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made, short = super().model_schema(schema), getattr(schema["cls"], "WRITTEN", None)
        return made if short is None else {"title": made.pop("title", ""), "anyOf": [*short, made]}


def kind_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of policy; raises KeyError for a kind that is none."""
    made = KINDS[kind].model.model_json_schema(schema_generator=_AsWritten)
    return {"$schema": _DIALECT, **made}


def schema_files() -> dict[str, str]:
    """Return every schema by its file name: `<kind>.schema.json`, and `policy.schema.json` for files of any kind."""
    files = {f"{kind}.schema.json": kind_schema(kind) for kind in KINDS}
    known = {"type": "object", "required": ["policy"], "properties": {"policy": {"enum": sorted(KINDS)}}}
    chosen = [
        {"if": {"properties": {"policy": {"const": kind}}, "required": ["policy"]}, "then": {"$ref": f"{kind}.schema.json"}}
        for kind in sorted(KINDS)
    ]
    files[WHOLE] = {"$schema": _DIALECT, "title": "A policy file", **known, "allOf": chosen}
    return {name: json.dumps(made, indent=2, sort_keys=True) + "\n" for name, made in sorted(files.items())}
