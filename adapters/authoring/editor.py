"""What an editor needs to help with policies: the JSON Schemas, and the settings of VS Code that lead to them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from engine.policy.schema import WHOLE, schema_files

FOLDER: Final = ".vscode"
_EXTENSION: Final = "redhat.vscode-yaml"


def write_schemas(folder: Path) -> list[str]:
    """Write the schema of every kind of policy into a folder; return the files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = schema_files()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return list(files)


def editor_files(schemas: str, policies: str) -> dict[str, str]:
    """Return the files of `.vscode` by name; `schemas` and `policies` are folders, as seen from the one that is opened.

    Policies of every folder are held to the schema that tells the kinds apart; tests of policies, which are none, are left out.
    """
    settings = {
        "yaml.schemas": {f"./{schemas}/{WHOLE}": [f"{policies}/**/*.yaml", f"!{policies}/**/*_test.yaml"]},
        "yaml.customTags": [],
        "[yaml]": {"editor.wordWrap": "off", "editor.tabSize": 2, "editor.insertSpaces": True},
        "files.eol": "\n",
    }
    return {
        "settings.json": json.dumps(settings, indent=2) + "\n",
        "extensions.json": json.dumps({"recommendations": [_EXTENSION]}) + "\n",
    }


def write_editor_setup(folder: Path, schemas: Path, policies: Path) -> list[str]:
    """Write schemas, and a `.vscode` in `folder` that leads to them; return what was written, relative to the folder."""
    names = [f"{_seen(schemas, folder)}/{name}" for name in write_schemas(schemas)]
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, text in editor_files(_seen(schemas, folder), _seen(policies, folder)).items():
        (folder / FOLDER / name).write_text(text, encoding="utf-8")
        names.append(f"{FOLDER}/{name}")
    return names


def _seen(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
