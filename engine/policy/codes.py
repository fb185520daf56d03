"""Diagnostic codes of policy files: their shape, names, references and dates."""

from __future__ import annotations

from typing import Final

from engine.diagnostics import Code, Level

INVALID_YAML: Final = Code(
    "invalid-yaml",
    Level.ERROR,
    "The file is not valid YAML, so nothing in it can be read.",
    "Look at the marked place: most often an indentation, a missing colon or an unclosed quote.",
)
NOT_UTF8: Final = Code(
    "not-utf8",
    Level.ERROR,
    "The file is not written in UTF-8, so its letters cannot be told.",
    "Save the file as UTF-8 (in an editor: the encoding beside the file's name); letters of another encoding show as marks.",
)
FILE_TOO_LARGE: Final = Code(
    "file-too-large",
    Level.ERROR,
    "The file, or a line of it, is longer than any written by people.",
    "Split the policy, or move its table into a CSV or XLSX sheet beside it.",
)
DUPLICATE_KEY: Final = Code(
    "duplicate-key",
    Level.ERROR,
    "The same key stands twice in one place; YAML would silently keep the last.",
    "Remove one of the two.",
)
HIDDEN_CHARACTER: Final = Code(
    "hidden-character",
    Level.ERROR,
    "A character that cannot be seen, or that turns the text around it, stands in the file.",
    "Delete the character; the line is shown with a mark in its place.",
)
KEY_NOT_TEXT: Final = Code(
    "key-not-text",
    Level.ERROR,
    "A key is a list, a map or a merge instruction instead of a plain word.",
    "Write the key as a plain word.",
)
ALIAS_NOT_ALLOWED: Final = Code(
    "alias-not-allowed",
    Level.ERROR,
    "Anchors, aliases and tags hide what a policy says and are not read.",
    "Write the value out where it is used.",
)
NOT_A_MAPPING: Final = Code(
    "not-a-mapping",
    Level.ERROR,
    "A policy file must be a list of named settings (key: value).",
    "Start the file with `policy:` and `id:`.",
)
MISSING_SETTING: Final = Code(
    "missing-setting",
    Level.ERROR,
    "A setting that the policy needs is not given.",
    "Add the setting.",
)
UNKNOWN_SETTING: Final = Code(
    "unknown-setting",
    Level.ERROR,
    "The policy has a setting that this kind of policy does not know.",
    "Correct the name, or remove the setting.",
)
INVALID_VALUE: Final = Code(
    "invalid-value",
    Level.ERROR,
    "A setting has a value that it cannot have.",
    "Write a value of the kind the message names.",
)
UNKNOWN_POLICY_KIND: Final = Code(
    "unknown-policy-kind",
    Level.ERROR,
    "The file's `policy:` names no kind of policy that Tieout knows.",
    "Use one of the kinds the message names.",
)
DUPLICATE_ID: Final = Code(
    "duplicate-id",
    Level.ERROR,
    "Two policies, or two rules, bear the same id while both are in force.",
    "Give one of them another id, or end the earlier version before the later begins.",
)
POLICIES_COMPETE: Final = Code(
    "policies-compete",
    Level.ERROR,
    "Two policies decide the same thing on the same days, and nothing says which of them counts.",
    "Keep one of them, limit one by `where`, or end one before the other begins; checks of one name need ids of their own.",
)
POLICIES_OVERLAP: Final = Code(
    "policies-overlap",
    Level.WARNING,
    "Two policies that are limited by `where` are both for some record; the one whose id comes first counts.",
    "Narrow one of the conditions, so that each policy is for records of its own.",
)
UNKNOWN_ENTITY: Final = Code(
    "unknown-entity",
    Level.ERROR,
    "The policy speaks of an entity that the canonical model does not have.",
    "Use a name from docs/canonical.md.",
)
UNKNOWN_FIELD: Final = Code(
    "unknown-field-name",
    Level.ERROR,
    "The policy names a field that the entity does not have.",
    "Use a field name from docs/canonical.md.",
)
DATES_REVERSED: Final = Code(
    "dates-reversed",
    Level.ERROR,
    "A version ends before it begins, so it is never in force.",
    "Correct `effective_from` or `effective_to`.",
)
MISSING_REFERENCE: Final = Code(
    "missing-reference",
    Level.HINT,
    "The policy gives no clause of the accounting manual or standard.",
    "Add `reference:` so that an auditor can find the basis of the rule.",
)
CONDITION_NOT_ALLOWED: Final = Code(
    "condition-not-allowed",
    Level.ERROR,
    "The policy is limited by a condition although it speaks of no entity.",
    "Remove `where`.",
)

TABLE_FILE: Final = Code(
    "table-file",
    Level.ERROR,
    "The sheet that a policy names for its table is missing or cannot be read.",
    "Put the CSV or XLSX file beside the policy; in a workbook the sheet bears the policy's id.",
)

UNKNOWN_FACTS: Final = Code(
    "unknown-facts",
    Level.ERROR,
    "A KPI speaks of facts that Tieout does not have.",
    "Use one of the facts the message names; docs/kpis.md lists their columns.",
)

UNKNOWN_SYMPTOM: Final = Code(
    "unknown-symptom",
    Level.ERROR,
    "A triage rule speaks of a symptom that its file does not describe.",
    "Describe it under `symptoms`, or correct the name.",
)
SYMPTOM_NOT_USED: Final = Code(
    "symptom-not-used",
    Level.WARNING,
    "A triage policy describes a symptom that none of its rules speaks of.",
    "Remove it, or use it in a rule.",
)
TRIAGE_UNREACHABLE: Final = Code(
    "triage-unreachable",
    Level.ERROR,
    "A triage rule can never decide: what it waits for never comes, or an earlier rule always takes it.",
    "Remove the rule, correct what it waits for, or give it a lower priority number than the one that comes first.",
)
TRIAGE_CYCLE: Final = Code(
    "triage-cycle",
    Level.ERROR,
    "Causes explain each other in a circle, so none of them is the first.",
    "Decide which of them comes first and remove the rule that leads back.",
)
TRIAGE_CONFLICT: Final = Code(
    "triage-conflict",
    Level.ERROR,
    "Two triage rules of the same priority give the same finding different causes.",
    "Give the rule that should win a lower priority number.",
)
TRIAGE_TOO_LARGE: Final = Code(
    "triage-too-large",
    Level.ERROR,
    "There are more triage rules than can be run safely.",
    "Join rules that differ only in the kinds they name.",
)

QUALITY_SUITE: Final = Code(
    "quality-suite",
    Level.ERROR,
    "The suite of a quality policy is missing, is no suite, or asks what cannot be.",
    "Put the suite, as Great Expectations writes it in JSON, beside the policy and correct the expectation named.",
)
QUALITY_UNSUPPORTED: Final = Code(
    "quality-unsupported",
    Level.ERROR,
    "A suite has an expectation, or a setting of one, that the gate does not judge.",
    "Use one of the expectations of docs/quality.md, or write the demand as a check policy.",
)
REASON_UNUSED: Final = Code(
    "reason-unused",
    Level.WARNING,
    "A test file says why no test looks at a change of a table, but tests notice that change, or there is none like it.",
    "Remove the reason, or write the change as `tieout policy test --mutate` says it.",
)

UNKNOWN_NAME: Final = Code(
    "unknown-name",
    Level.WARNING,
    "A system, kind of finding, role or folder is named that nothing else knows, so that what is said of it never holds.",
    "Correct the name; where it is meant, leave it.",
)
WITHOUT_EFFECT: Final = Code(
    "without-effect",
    Level.WARNING,
    "A setting is given that changes nothing in a policy of this kind.",
    "Remove the setting.",
)
CONDITION_NEVER: Final = Code(
    "condition-never-true",
    Level.WARNING,
    "A condition, or a part of one, is true of no record, so that what it limits is about nothing.",
    "Correct the condition: most often AND stands where OR was meant, or two limits exclude each other.",
)
CONDITION_ALWAYS: Final = Code(
    "condition-always-true",
    Level.WARNING,
    "A condition, or a part of one, is false of no record, so that it limits nothing.",
    "Remove it, or write what was meant; whether a value is given at all is asked by IS NOT NULL.",
)
SAME_SIDES: Final = Code(
    "same-sides",
    Level.WARNING,
    "Two sides that are held against each other are the same records, so that they agree whatever is in the books.",
    "Name another entity, system or condition on one of the sides.",
)

CODES: Final = (
    INVALID_YAML, NOT_UTF8, FILE_TOO_LARGE, HIDDEN_CHARACTER, DUPLICATE_KEY, KEY_NOT_TEXT, ALIAS_NOT_ALLOWED, NOT_A_MAPPING,
    MISSING_SETTING, UNKNOWN_SETTING, INVALID_VALUE, UNKNOWN_POLICY_KIND, DUPLICATE_ID, POLICIES_COMPETE, POLICIES_OVERLAP,
    UNKNOWN_ENTITY, UNKNOWN_FIELD, DATES_REVERSED, MISSING_REFERENCE, CONDITION_NOT_ALLOWED,
    TABLE_FILE, UNKNOWN_FACTS, UNKNOWN_SYMPTOM, SYMPTOM_NOT_USED, TRIAGE_UNREACHABLE, TRIAGE_CYCLE, TRIAGE_CONFLICT, TRIAGE_TOO_LARGE,
    QUALITY_SUITE, QUALITY_UNSUPPORTED, REASON_UNUSED, UNKNOWN_NAME, WITHOUT_EFFECT, CONDITION_NEVER, CONDITION_ALWAYS, SAME_SIDES,
)  # fmt: skip
