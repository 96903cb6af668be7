"""The salt, and the hashes under which regions are kept instead of addresses."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from pathlib import Path

from _files import keep_private, made_once
from _log import UserError

log = logging.getLogger(__name__)

SALT_VARIABLE = "IP_HASH_SALT"


def read_salt(cache: Path) -> bytes:
    """The salt: of the environment, else of the cache, where one is made if there is none.

    Raises:
        UserError: The cache was made with another salt, so that nothing in it would be found.
    """
    keep_private(cache)
    salt = os.environ.get(SALT_VARIABLE, "").strip()
    if not salt and not (cache / "salt").exists() and (cache / "salt.fingerprint").exists():
        raise UserError(f"{SALT_VARIABLE} is not set, but {cache} was made with one. Set it.")
    salt = salt or _kept_salt(cache / "salt")
    key = salt.encode()
    kept = made_once(cache / "salt.fingerprint", fingerprint(key))
    if kept != fingerprint(key):
        raise UserError(
            f"The salt is not the one that {cache} was made with: all regions would have to be "
            f"looked up again. Set {SALT_VARIABLE} to the salt of before. If you want a new one, "
            f"move {cache} away and delete the binned/*.hashes.parquet of the results."
        )
    return key


def fingerprint(key: bytes) -> str:
    """Tells one salt from another without giving it away."""
    return hmac.digest(key, b"fingerprint", "sha256").hex()[:16]


def _kept_salt(path: Path) -> str:
    if not path.exists():
        log.warning(
            "%s is not set, so a random salt was made: %s. Keep it with the cache.",
            SALT_VARIABLE,
            path,
        )
    return made_once(path, secrets.token_hex(32))


def hash_address(key: bytes, address: str) -> bytes:
    """HMAC-SHA-256 of an address as logged, 32 bytes."""
    return hmac.digest(key, address.encode(), "sha256")
