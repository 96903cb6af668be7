"""The published folder as others find it: whether it is whole, and what stands in it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a folder with its relative name, in the order of the names."""
    start = len(f"{folder}/")
    names = [f"{inner}/{name}"[start:] for inner, _, names in os.walk(folder) for name in names]
    for name in sorted(names, key=lambda name: name.split("/")):
        yield name, folder / name


def digest_of_content(folder: Path) -> str:
    """SHA-256 of all names and contents below a folder."""
    digest = hashlib.sha256()
    for name, path in files_below(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{content} {name}\n".encode())
    return digest.hexdigest()


def digest_of_sizes(folder: Path) -> str:
    """SHA-256 of all names and sizes below a folder: quick, and enough to see a loss."""
    digest = hashlib.sha256()
    for name, path in files_below(folder):
        digest.update(f"{path.lstat().st_size} {name}\n".encode())
    return digest.hexdigest()


def account_of(folder: Path) -> dict[str, str]:
    """What is noted of a published folder: `content` and `sizes`."""
    return {"content": digest_of_content(folder), "sizes": digest_of_sizes(folder)}


def is_as_noted(folder: Path, note: Path) -> bool:
    """Whether nothing in a published folder was lost, added or cut short since it was noted.

    True if it was never noted: then it is not there yet, and will be made.
    """
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    return noted["sizes"] == digest_of_sizes(folder)
