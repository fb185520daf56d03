"""The walls: import directions, single importers, module sizes, no float on money, docstrings."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("engine", "adapters", "dashboard")


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(path)))


@cache
def imports(path: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return tuple(found)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(("folder", "forbidden"), [("engine", {"adapters", "dashboard"}), ("adapters", {"dashboard"})])
def test_imports_go_one_way(folder: str, forbidden: set[str]) -> None:
    wrong = [(name(path), module) for path in modules(folder) for module in imports(path) if module.split(".")[0] in forbidden]
    assert not wrong


def arrows(path: Path, names: dict[str, Path]) -> set[str]:
    """The modules of ours that a module imports; of a package the module that is taken from it, where it is one."""
    found = set(imports(path))
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            taken = {f"{node.module}.{each.name}" for each in node.names}
            found |= taken
            if taken <= names.keys():
                found.discard(node.module)
    return found & names.keys()


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in modules(*FOLDERS)}
    # Modules of commands register with the program that loads them.
    program = {"adapters.cli"}
    TopologicalSorter({each: arrows(path, names) - program for each, path in names.items()}).prepare()


# From the ground up. What stands beside these folders puts them together: none of them imports it.
REVENUE = ("arithmetic", "ground", "contracts", "price", "progress", "modifications", "recognition", "disclosures", "posting", "costs",
           "controls")  # fmt: skip


def test_every_room_of_revenue_stands_on_those_before_it() -> None:
    wrong = []
    for place, room in enumerate(REVENUE):
        own = {f"engine.revenue.{each}" for each in REVENUE[: place + 1]}
        for path in modules(f"engine/revenue/{room}"):
            named = [module for module in imports(path) if module.startswith("engine.revenue.")]
            wrong += [(name(path), module) for module in named if ".".join(module.split(".")[:3]) not in own]
    assert {path.name for path in (ROOT / "engine" / "revenue").iterdir() if path.is_dir() and path.name != "__pycache__"} == set(REVENUE)
    assert not wrong


OUTSIDE = {"os", "io", "pathlib", "socket", "subprocess", "time", "random", "requests", "urllib", "sqlalchemy", "streamlit", "typer"}


def test_the_engine_touches_nothing_outside() -> None:
    wrong = [(name(path), module) for path in modules("engine") for module in imports(path) if module.split(".")[0] in OUTSIDE]
    assert not wrong


@pytest.mark.parametrize(
    ("library", "module"),
    [
        ("polars_hash", "engine/hashing.py"),
        ("ruamel", "engine/policy/source.py"),
        ("yaml", "engine/policy/source.py"),
        ("openpyxl", "adapters/reading/workbook.py"),
        ("sqlglot", "engine/condition/parse.py"),
        ("durable", "engine/triage/rules.py"),
        ("great_expectations", "adapters/quality.py"),
    ],
)
def test_an_awkward_library_has_one_importer(library: str, module: str) -> None:
    users = {name(path) for path in modules(*FOLDERS) for each in imports(path) if each.split(".")[0] == library}
    # The sample firm writes its snapshot.yaml; reading YAML stays in one place.
    assert users - {"adapters/sampling/writing.py"} <= {module}


def test_no_module_grows_past_600_lines() -> None:
    long = [(name(path), count) for path in modules(*FOLDERS) if (count := len(path.read_text().splitlines())) > 600]
    assert not long


def test_no_function_grows_past_50_lines() -> None:
    long = [
        (name(path), node.name, count)
        for path in modules(*FOLDERS)
        for node in nodes(path)
        # A migration says table by table what it makes.
        if isinstance(node, ast.FunctionDef) and "migrations" not in path.parts
        if (count := (node.end_lineno or node.lineno) - node.lineno + 1) > 50
    ]
    assert not long


def test_no_float_stands_on_the_engine() -> None:
    wrong = []
    for path in modules("engine"):
        # How alike two names must be for one to be offered for the other is no amount.
        likeness = {id(each.value) for each in nodes(path) if isinstance(each, ast.keyword) and each.arg == "cutoff"}
        for node in nodes(path):
            is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float) and id(node) not in likeness
            is_type = isinstance(node, ast.Attribute) and node.attr in ("Float32", "Float64")
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            if is_literal or is_type or is_call:
                wrong.append((name(path), getattr(node, "lineno", 0)))
    assert not wrong


def test_every_public_name_is_documented() -> None:
    missing = []
    for path in modules(*FOLDERS):
        tree = parsed(path)
        if path.stat().st_size and not ast.get_docstring(tree):
            missing.append(name(path))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                missing.append(f"{name(path)}:{node.name}")
    assert not missing


def test_policies_and_samples_hold_data_only() -> None:
    assert not [path for folder in ("policies", "samples") for path in (ROOT / folder).rglob("*.py")]


def test_what_the_pages_show_knows_no_screen() -> None:
    wrong = [(name(path), module) for path in modules("dashboard/views") for module in imports(path) if module.split(".")[0] == "streamlit"]
    assert (ROOT / "dashboard" / "views").is_dir()
    assert not wrong


def test_pages_only_lay_out() -> None:
    wrong = [
        (name(path), node.lineno)
        for path in modules("dashboard/screens")
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    assert not wrong
