"""`tieout policy bundle | key`: policies as one signed file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import policy_app
from adapters.cli.run_commands import policies_folder
from engine.errors import UsageError


@policy_app.command("key")
def key_command(
    file: Annotated[Path, typer.Argument(help="File for the private key; the public one stands beside it (.pub).")],
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Encrypt the key; the passphrase is asked for.")] = False,
) -> None:
    """Make a pair of keys to sign bundles with, and print the line that trusts it.

    The private key is encrypted with --passphrase, or by the passphrase in TIEOUT_KEY_PASSPHRASE; it is never an argument,
    which others on the machine could read.
    """
    from adapters.authoring.keys import PASSPHRASE_VARIABLE, make_keys

    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is None and passphrase:
        given = _asked("Passphrase of the new key", confirm=True)
    public = make_keys(file, given)
    shut = "is not encrypted; keep it where only you read it" if given is None else "is encrypted; without its passphrase nobody can use it"
    typer.echo(f"{file} signs, and {shut}. Who uses your bundles adds to their policies/access.yaml:")
    typer.echo(f"trusted_keys:\n  - {{name: {file.stem}, key: {public}}}")


def _asked(question: str, *, confirm: bool = False) -> str:
    """Ask for a passphrase, unseen; raises UsageError where nobody can be asked."""
    from adapters.authoring.keys import PASSPHRASE_VARIABLE

    if not _is_at_terminal():
        raise UsageError("Nobody can be asked for the passphrase here.", f"Give it in the environment variable {PASSPHRASE_VARIABLE}.")
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=confirm))


def _is_at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


@policy_app.command("bundle")
def bundle_command(
    file: Annotated[Path, typer.Argument(help="The bundle.")],
    folder: Annotated[Path | None, typer.Argument(help="Policy folder to bundle.")] = None,
    sign: Annotated[Path | None, typer.Option(help="Write the bundle, signed with this private key.")] = None,
    mappings: Annotated[Path | None, typer.Option(help="Folder with your own adapter mappings, to go with it.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Verify a bundle; exit 2 when it is not as a trusted key signed it.")] = False,
    unpack: Annotated[Path | None, typer.Option(help="Verify a bundle and write its policies and mappings into this new folder.")] = None,
    trust: Annotated[list[Path] | None, typer.Option(help="Public key (.pub) to trust beside those of policies/access.yaml.")] = None,
) -> None:
    """Write a policy folder as one signed file, or verify one; a run and `policy check` take a bundle in place of a folder."""
    from adapters.authoring.bundle import bundle_bytes, open_bundle
    from adapters.authoring.keys import PASSPHRASE_VARIABLE, TRUSTED_VARIABLE, read_private_key, read_public_key, trusted_keys

    if (sign is not None) + (verify or unpack is not None) != 1:
        raise UsageError("It is not said what to do with the bundle.", "Give --sign KEY, --verify or --unpack FOLDER.")
    if sign is not None:
        key = read_private_key(sign, lambda: os.environ.get(PASSPHRASE_VARIABLE) or _asked(f"Passphrase of {sign}"))
        content = bundle_bytes(policies_folder(folder), mappings, key)
        partial = file.with_name(file.name + ".partial")
        partial.write_bytes(content)
        partial.replace(file)
        typer.echo(f"{file} is written, {len(content):,} bytes.")
        return
    more = {read_public_key(path): path.name for path in trust or ()}
    bundle = open_bundle(file, trusted_keys(Path("policies"), more, os.environ.get(TRUSTED_VARIABLE, "")))
    if unpack is not None:
        if unpack.exists() and any(unpack.iterdir()):
            raise UsageError(f"{unpack} is not empty.", "Give a new folder.")
        bundle.unpack(unpack)
    typer.echo(f"{file} is as {bundle.signed_by} signed it: {len(bundle.files)} files, policies {bundle.fingerprint[:12]}.")
