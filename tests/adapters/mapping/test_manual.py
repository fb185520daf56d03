"""The manual of mappings is true: every setting and reason stands in it, and its example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.mapping import model
from adapters.mapping.casting import REASONS
from adapters.mapping.library import read_mapping
from adapters.snapshot import read_snapshot

MANUAL = (Path(__file__).parents[3] / "docs" / "adapters.md").read_text(encoding="utf-8")
PARTS = (model.Mapping, model.StreamRule, model.EntityRule, model.FieldRule, model.Lookup, model.Related, model.Unpivot, model.Latest)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_setting_is_in_the_manual(part: type[model.Mapping]) -> None:
    names = {each.alias or name for name, each in part.model_fields.items()}
    assert {name for name in names if not re.search(rf"[`{{ ]{name}[`:]", MANUAL)} == set()


def test_every_reason_to_hold_a_cell_is_in_the_manual_with_its_remedy() -> None:
    assert {reason for reason, remedy in REASONS.items() if f"| `{reason}` | {remedy} |" not in MANUAL} == set()


def test_the_manuals_example_reads_an_export(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", MANUAL, re.DOTALL)
    assert example is not None
    (tmp_path / "mappings").mkdir()
    path = tmp_path / "mappings/timesheets.yaml"
    path.write_text(example[1], encoding="utf-8")
    assert read_mapping(path)[1] == []
    (tmp_path / "export").mkdir()
    (tmp_path / "export/projects.json").write_text('{"data": [{"id": "P", "title": "Portal", "state": "open"}]}')
    rows = ["id,person,project,day,minutes,billable,rate,Rate (EUR),deleted", '1,R,P,05.01.2026,90,Yes,"1.250,5",,no',
            "2,R,P,05.01.2026,60,no,,,yes", "3,R,Q,05.01.2026,60,no,,,no"]  # fmt: skip
    (tmp_path / "export/entries.csv").write_text("\n".join(rows))
    (tmp_path / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources: [{system: psa, adapter: timesheets, path: export}]\n")
    result = read_snapshot(tmp_path, tmp_path / "mappings")
    (entry,) = result.facts.records["time_entry"].collect().iter_rows(named=True)
    assert [str(entry[name]) for name in ("work_date", "hours", "billable", "bill_rate", "currency")] == [
        "2026-01-05", "1.50000000", "True", "1250.5000000000", "EUR",
    ]  # fmt: skip
    assert {reason: rows for each in result.files for reason, rows in each.set_aside.items()} == {
        "deleted_in_source": 1, "project_not_exported": 1,
    }  # fmt: skip
