"""Keys that sign bundles of policies: made in pairs, kept in files, trusted by name (Ed25519)."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from adapters.policy_folder import check_policies
from adapters.sight import access_policy
from adapters.store.audit import now
from engine.errors import UsageError
from engine.policy.kinds.access import KEY_PREFIX

TRUSTED_VARIABLE: Final = "TIEOUT_TRUSTED_KEYS"
"""Names files of public keys, as `PATH` lists folders."""

PASSPHRASE_VARIABLE: Final = "TIEOUT_KEY_PASSPHRASE"
"""Holds the passphrase of a private key where nobody can be asked for it."""

_PUBLIC_MODE: Final = 0o644
_PRIVATE_MODE: Final = 0o600


def make_keys(file: Path, passphrase: str | None = None) -> str:
    """Write a new private key into a file only its owner reads, the public one beside it (`.pub`); return the public key.

    With a passphrase the key is encrypted by it (PKCS #8). Raises UsageError when either file is there already, or cannot be
    written, and for a passphrase that is empty.
    """
    if passphrase == "":
        raise UsageError("The passphrase is empty.", "Give one, or make the key without.")
    private = Ed25519PrivateKey.generate()
    shut = serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase.encode())
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, shut)
    public = public_text(private.public_key())
    beside = file.with_name(file.name + ".pub")
    if file.exists() or beside.exists():
        raise UsageError(f"{file} or {beside} is there already.", "Choose another name; a key is never written over.")
    for path, content, mode in ((file, pem, _PRIVATE_MODE), (beside, f"{public}\n".encode(), _PUBLIC_MODE)):
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as handle:
                handle.write(content)
        except OSError as error:
            raise UsageError(f"The key {path} cannot be written.", "Choose a folder that exists and that you may write to.") from error
    return public


def read_private_key(file: Path, passphrase: Callable[[], str | None] = lambda: None) -> Ed25519PrivateKey:
    """Return a private key; raises UsageError when the file holds none, or `passphrase`, asked for an encrypted one, does not open it."""
    try:
        content = file.read_bytes()
        key = _opened(file, content, passphrase) if _is_encrypted(content) else serialization.load_pem_private_key(content, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{file} holds no private key.", "`tieout policy key FILE` makes one.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"The key {file} is not of Ed25519.", "`tieout policy key FILE` makes one that is.")
    return key


def _is_encrypted(content: bytes) -> bool:
    """Say whether a private key needs a passphrase: without one the library refuses it by a TypeError."""
    try:
        serialization.load_pem_private_key(content, None)
    except TypeError:
        return True
    return False


def _opened(file: Path, content: bytes, passphrase: Callable[[], str | None]) -> PrivateKeyTypes:
    given = passphrase()
    if not given:
        remedy = f"Give it where it is asked for, or in the environment variable {PASSPHRASE_VARIABLE}."
        raise UsageError(f"The key {file} is encrypted, and no passphrase is given.", remedy)
    try:
        return serialization.load_pem_private_key(content, given.encode())
    except ValueError as error:
        raise UsageError(f"The passphrase does not open the key {file}.", "Give the one with which the key was made.") from error


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key as it is written in policies: `ed25519:` and 44 letters."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return KEY_PREFIX + base64.b64encode(raw).decode()


def is_signed(public: str, signature: str, content: bytes) -> bool:
    """Say whether a signature of some content was made with the private half of a public key."""
    try:
        raw = base64.b64decode(public.removeprefix(KEY_PREFIX), validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def trusted_keys(policies: Path | None, more: Mapping[str, str], files: str = "") -> dict[str, str]:
    """Return the trusted public keys with the name of each: of a folder's access policy, of files in a list of paths, and `more`.

    Raises UsageError for a file that holds no public key.
    """
    found: dict[str, str] = {}
    if policies is not None and policies.is_dir():
        access = access_policy(check_policies(policies)[0], now().date())
        found |= {} if access is None else {each.key: each.name for each in access.trusted_keys}
    for name in filter(None, files.split(os.pathsep)):
        found[read_public_key(Path(name))] = Path(name).name
    return found | dict(more)


def read_public_key(file: Path) -> str:
    """Return the public key in a file; raises UsageError when it holds none."""
    try:
        text = file.read_text(encoding="utf-8").strip()
        if not text.startswith(KEY_PREFIX) or len(base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)) != 32:
            raise ValueError(text[:20])
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} holds no public key.", "Give the .pub file that `tieout policy key` wrote.") from error
    return text
