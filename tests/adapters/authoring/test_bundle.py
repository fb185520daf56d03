"""Bundles of policies: the same bytes each time, refused where anything was altered, and used like a folder."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters import cli
from adapters.authoring.bundle import bundle_bytes, open_bundle
from adapters.authoring.keys import PASSPHRASE_VARIABLE, make_keys, read_private_key, read_public_key, trusted_keys
from engine.errors import UsageError
from tests.command import tieout

RUN = "policy: run\nid: run\ntitle: Run\nowner: controller\neffective_from: 1900-01-01\nreference: r\n"
TRUST = (
    "policy: access\nid: access\ntitle: A\nowner: controller\neffective_from: 1900-01-01\nreference: r\n"
    "trusted_keys: [{{name: Head office, key: {}}}]\n"
)

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "policies").mkdir()
    (folder / "policies" / "run.yaml").write_text(RUN)
    (folder / "mappings").mkdir()
    (folder / "mappings" / "own.yaml").write_text("adapter: own\n")
    public = make_keys(folder / "office")
    content = bundle_bytes(folder / "policies", folder / "mappings", read_private_key(folder / "office"))
    (folder / "p.tieout").write_bytes(content)
    return folder, public


def altered(bundle: Path, to: Path, change: Callable[[Members], object], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path = to / "altered.tieout"
    path.write_bytes(made.getvalue())
    return path


def test_the_same_policies_give_the_same_bytes(signed: tuple[Path, str]) -> None:
    folder, public = signed
    again = bundle_bytes(folder / "policies", folder / "mappings", read_private_key(folder / "office"))
    assert again == (folder / "p.tieout").read_bytes()
    bundle = open_bundle(folder / "p.tieout", {public: "Head office"})
    assert bundle.signed_by == "Head office" and set(bundle.files) == {"policies/run.yaml", "mappings/own.yaml"}


def test_a_private_key_is_read_by_its_owner_alone_and_never_written_over(signed: tuple[Path, str]) -> None:
    folder, public = signed
    assert stat.S_IMODE((folder / "office").stat().st_mode) == 0o600
    assert read_public_key(folder / "office.pub") == public
    with pytest.raises(UsageError, match="there already"):
        make_keys(folder / "office")
    with pytest.raises(UsageError, match="no private key"):
        read_private_key(folder / "office.pub")


CHANGES: dict[str, tuple[Callable[[Members], object], str]] = {
    "a file": (lambda each: each.update({"policies/run.yaml": b"policy: run\n"}), "The file policies/run.yaml .* was altered"),
    "one more file": (lambda each: each.update({"policies/more.yaml": b"x"}), "The file policies/more.yaml was added"),
    "a file less": (lambda each: each.pop("mappings/own.yaml"), "The file mappings/own.yaml .* is missing"),
    "the manifest": (lambda each: each.update({"manifest.json": each["manifest.json"] + b" "}), "The manifest .* was altered"),
    "no signature": (lambda each: each.pop("signature.json"), "no readable signature.json"),
    "a way out": (lambda each: each.update({"policies/../../x": b"x"}), "which no bundle does"),
    "an absolute path": (lambda each: each.update({"/etc/x": b"x"}), "which no bundle does"),
    "a drive": (lambda each: each.update({"policies/c:\\x": b"x"}), "which no bundle does"),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_whatever_was_altered_is_named_and_refused(name: str, signed: tuple[Path, str], tmp_path: Path) -> None:
    folder, public = signed
    change, message = CHANGES[name]
    with pytest.raises(UsageError, match=message):
        open_bundle(altered(folder / "p.tieout", tmp_path, change), {public: "Head office"})


def test_another_key_does_not_sign_for_a_trusted_one(signed: tuple[Path, str], tmp_path: Path) -> None:
    folder, public = signed
    other = make_keys(tmp_path / "other")
    with pytest.raises(UsageError, match="nobody here trusts"):
        open_bundle(folder / "p.tieout", {other: "Other"})

    def forge(each: Members) -> None:
        theirs = bundle_bytes(folder / "policies", None, read_private_key(tmp_path / "other"))
        with zipfile.ZipFile(io.BytesIO(theirs)) as archive:
            told = json.loads(archive.read("signature.json"))
        each["signature.json"] = json.dumps({**told, "key": public}).encode()

    with pytest.raises(UsageError, match=r"manifest .* was altered"):
        open_bundle(altered(folder / "p.tieout", tmp_path, forge), {public: "Head office"})


def test_what_compresses_is_refused_before_it_swells(signed: tuple[Path, str], tmp_path: Path) -> None:
    folder, public = signed
    bomb = altered(folder / "p.tieout", tmp_path, lambda each: each.update({"policies/x.yaml": b"0" * 10**7}), zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(UsageError, match="which no bundle does"):
        open_bundle(bomb, {public: "Head office"})
    (tmp_path / "torn.tieout").write_bytes((folder / "p.tieout").read_bytes()[:-200])
    with pytest.raises(UsageError, match="damaged, or no bundle"):
        open_bundle(tmp_path / "torn.tieout", {public: "Head office"})


def test_keys_are_trusted_by_the_access_policy_or_by_files(signed: tuple[Path, str], tmp_path: Path) -> None:
    folder, public = signed
    (tmp_path / "access.yaml").write_text(TRUST.format(public))
    assert trusted_keys(tmp_path, {}) == {public: "Head office"}
    assert trusted_keys(None, {}, f"{folder / 'office.pub'}{os.pathsep}") == {public: "office.pub"}
    with pytest.raises(UsageError, match="no public key"):
        trusted_keys(None, {}, str(folder / "office"))


def test_a_bundle_is_used_in_place_of_a_folder(signed: tuple[Path, str], tmp_path: Path) -> None:
    folder, public = signed
    bundle = str(folder / "p.tieout")
    refused = tieout("policy", "check", bundle, cwd=tmp_path)
    assert refused.returncode == 2 and "nobody here trusts" in refused.stderr
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "access.yaml").write_text(TRUST.format(public))
    checked = tieout("policy", "check", bundle, cwd=tmp_path)
    assert checked.returncode == 0 and "1 policy, 0 errors" in checked.stdout and "signed by Head office" in checked.stderr
    assert "cannot be changed" in tieout("policy", "fmt", bundle, cwd=tmp_path).stderr
    assert tieout("policy", "bundle", bundle, "--unpack", "there", cwd=tmp_path).returncode == 0
    assert (tmp_path / "there" / "policies" / "run.yaml").read_text() == RUN
    told = tieout("policy", "bundle", bundle, "--verify", cwd=tmp_path)
    assert told.returncode == 0 and "is as Head office signed it: 2 files" in told.stdout


PASSPHRASE = "Ein Satz, den nur wir kennen"


def command(*arguments: str, answers: str | None = None) -> Any:
    cli._load_commands()
    return CliRunner().invoke(cli.app, ["policy", *arguments], input=answers)


def test_a_key_with_a_passphrase_signs_for_who_gives_it_alone(signed: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = signed
    public = make_keys(tmp_path / "shut", PASSPHRASE)
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "shut").read_bytes()
    content = bundle_bytes(folder / "policies", None, read_private_key(tmp_path / "shut", lambda: PASSPHRASE))
    (tmp_path / "b").write_bytes(content)
    assert open_bundle(tmp_path / "b", {public: "We"}).signed_by == "We"
    for given, told in ((None, "no passphrase is given"), ("", "no passphrase is given"), (PASSPHRASE + " ", "does not open the key")):
        with pytest.raises(UsageError, match=told):
            read_private_key(tmp_path / "shut", lambda given=given: given)  # type: ignore[misc]
    with pytest.raises(UsageError, match="is empty"):
        make_keys(tmp_path / "empty", "")
    assert not (tmp_path / "empty").exists()


def test_who_needs_no_passphrase_is_not_asked_for_one(signed: tuple[Path, str]) -> None:
    def asked() -> str | None:
        raise AssertionError("nobody should be asked")

    assert read_private_key(signed[0] / "office", asked)


def test_the_passphrase_is_asked_for_unseen_or_stands_in_the_environment(
    signed: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    key, sign = str(tmp_path / "shut"), ("bundle", str(tmp_path / "b"), str(signed[0] / "policies"), "--sign", str(tmp_path / "shut"))
    refused = command("key", key, "--passphrase")
    assert isinstance(refused.exception, UsageError) and "Nobody can be asked" in str(refused.exception)
    with monkeypatch.context() as terminal:
        terminal.setattr("adapters.cli.bundle_commands._is_at_terminal", lambda: True)
        made = command("key", key, "--passphrase", answers=f"{PASSPHRASE}\n{PASSPHRASE}\n")
        assert (made.exit_code, "is encrypted" in made.stdout, PASSPHRASE in made.stdout) == (0, True, False)
        assert command(*sign, answers=f"{PASSPHRASE}\n").exit_code == 0
    assert "Nobody can be asked" in str(command(*sign).exception)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert command(*sign).exit_code == 0
    assert "is encrypted" in command("key", str(tmp_path / "second")).stdout
