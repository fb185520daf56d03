"""A policy folder with its mappings as one signed file, to be moved between machines and verified where it is used."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.authoring.keys import is_signed, public_text
from adapters.policy_folder import policy_files, require_policies
from engine.errors import UsageError

_MANIFEST: Final = "manifest.json"
_SIGNATURE: Final = "signature.json"
_FOLDERS: Final = ("policies", "mappings")
_FORMAT: Final = 1
# Every bundle bears the same date: the same policies give the same bytes.
_DATED: Final = (1980, 1, 1, 0, 0, 0)
_MOST_FILES: Final = 5_000
_MOST_BYTES: Final = 64_000_000
_REMEDY: Final = "Do not use it; ask who sent it for the bundle as it was signed."


@dataclass(frozen=True, slots=True)
class Bundle:
    """Hold a verified bundle: the fingerprint of its policies, who signed it, and its files by path."""

    fingerprint: str
    signed_by: str
    files: Mapping[str, bytes]

    def unpack(self, folder: Path) -> Path:
        """Write the files below a folder; return the folder of the policies."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / _FOLDERS[0]


def bundle_bytes(policies: Path, mappings: Path | None, key: Ed25519PrivateKey) -> bytes:
    """Return the bundle of a policy folder, its tests and a folder of mappings; the same input gives the same bytes.

    Raises PolicyError when the policies have mistakes, UsageError when they are too many for a bundle.
    """
    loaded = require_policies(policies)
    files = {f"policies/{name}": content for name, content in policy_files(policies).items()}
    files |= {f"policies/{path.relative_to(policies).as_posix()}": path.read_bytes() for path in policies.rglob("*_test.y*ml")}
    if mappings is not None:
        if not mappings.is_dir():
            raise UsageError(f"There is no folder of mappings at {mappings}.", "Give the folder that holds your <adapter>.yaml files.")
        files |= {f"mappings/{path.name}": path.read_bytes() for path in mappings.glob("*.yaml")}
    if len(files) > _MOST_FILES or sum(map(len, files.values())) > _MOST_BYTES:
        raise UsageError("The folder is too large for a bundle.", f"A bundle holds {_MOST_FILES:,} files and {_MOST_BYTES // 10**6} MB.")
    told = {name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} for name, content in files.items()}
    manifest = _as_bytes({"format": _FORMAT, "policies_fingerprint": loaded.fingerprint, "files": told})
    signature = {"algorithm": "ed25519", "key": public_text(key.public_key()), "signature": base64.b64encode(key.sign(manifest)).decode()}
    return _archive({_MANIFEST: manifest, _SIGNATURE: _as_bytes(signature), **files})


def _as_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _archive(files: Mapping[str, bytes]) -> bytes:
    """Return files as an archive that compresses nothing: no other library could write it differently, and none can swell it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            place = zipfile.ZipInfo(name, _DATED)
            place.external_attr = 0o644 << 16
            place.create_system = 3
            archive.writestr(place, content)
    return made.getvalue()


def open_bundle(file: Path, trusted: Mapping[str, str]) -> Bundle:
    """Read and verify a bundle: signed with a trusted key (public key → name), and no file other than as it was signed.

    Raises UsageError that names the altered, missing or added file; nothing is written anywhere.
    """
    files = _read(file)
    manifest, signature = (_parsed(files.pop(name, None), name, file) for name in (_MANIFEST, _SIGNATURE))
    key = str(signature[0].get("key"))
    if key not in trusted:
        remedy = "Add the key to `trusted_keys` in policies/access.yaml, or to TIEOUT_TRUSTED_KEYS, when you know whose it is."
        raise UsageError(f"The bundle {file} is signed with a key that nobody here trusts: {key[:60]}.", remedy)
    if not is_signed(key, str(signature[0].get("signature")), manifest[1]):
        raise UsageError(f"The manifest of the bundle {file} was altered after {trusted[key]} signed it.", _REMEDY)
    listed = manifest[0].get("files")
    if manifest[0].get("format") != _FORMAT or not isinstance(listed, dict):
        raise UsageError(f"The bundle {file} is of another format.", "Use the version of Tieout that made it, or have it made again.")
    for name in sorted(listed.keys() | files.keys()):
        if name not in files:
            raise UsageError(f"The file {name} of the bundle {file} is missing.", _REMEDY)
        if name not in listed:
            raise UsageError(f"The file {name} was added to the bundle {file} after {trusted[key]} signed it.", _REMEDY)
        if hashlib.sha256(files[name]).hexdigest() != listed[name].get("sha256"):
            raise UsageError(f"The file {name} of the bundle {file} was altered after {trusted[key]} signed it.", _REMEDY)
    return Bundle(str(manifest[0].get("policies_fingerprint")), trusted[key], files)


def _parsed(content: bytes | None, name: str, file: Path) -> tuple[dict[str, Any], bytes]:
    try:
        value = json.loads(content or b"")
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The bundle {file} holds no readable {name}.", "`tieout policy bundle --sign` makes one.") from error
    if not isinstance(value, dict):
        raise UsageError(f"The bundle {file} holds no readable {name}.", "`tieout policy bundle --sign` makes one.")
    return value, content or b""


def _read(file: Path) -> dict[str, bytes]:
    """Return the files of an archive; refuses what compresses, repeats a name, is too much, or would leave its folder."""
    try:
        if file.stat().st_size > 2 * _MOST_BYTES:
            raise UsageError(f"The bundle {file} is too large.", _REMEDY)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MOST_FILES + 2 or sum(each.file_size for each in members) > _MOST_BYTES + 10**6:
                raise UsageError(f"The bundle {file} is too large.", _REMEDY)
            found: dict[str, bytes] = {}
            for each in members:
                if not _is_safe(each) or each.filename in found:
                    raise UsageError(f"The bundle {file} holds '{each.filename[:80]}', which no bundle does.", _REMEDY)
                found[each.filename] = archive.read(each)
            return found
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UsageError(f"The bundle {file} cannot be read: it is damaged, or no bundle.", _REMEDY) from error


def _is_safe(each: zipfile.ZipInfo) -> bool:
    name = each.filename
    is_file = not each.is_dir() and (each.external_attr >> 16 & 0o170000) in (0, 0o100000)
    if not is_file or each.compress_type != zipfile.ZIP_STORED or each.flag_bits & 1:
        return False
    if name in (_MANIFEST, _SIGNATURE):
        return True
    parts = PurePosixPath(name).parts
    is_plain = name == "/".join(parts) and not set(parts) & {"..", ".", "/"} and not set("\\:\0") & set(name)
    return is_plain and len(parts) > 1 and parts[0] in _FOLDERS
