"""What a job needs, by the size of its input: memory in MB and time in minutes, generously.

Rules name figures for one core: the peaks of docs/performance.md with some air. A second attempt
gets twice as much, and so on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

Resource = Callable[..., int]


def megabytes(files: Iterable[str]) -> float:
    """The size of those files that are there; 0 for what is still to be made."""
    total = 0
    for file in files:
        try:
            total += Path(file).stat().st_size
        except OSError:
            continue
    return total / 1e6


def by_size(base: int, per_mb: float, most: int | None = None) -> Resource:
    """A resource of a rule: `base`, and `per_mb` for each MB of input, but no more than `most`."""

    def resource(wildcards: Any, input: Iterable[str], attempt: int) -> int:  # noqa: A002
        needed = base + per_mb * megabytes(input)
        return round(min(needed, most or needed) * attempt)

    return resource


def by_requests(base: int, per_million: float, most: int | None = None) -> Resource:
    """The same by the requests for the job's Dandiset, which its input `gathered` tells."""

    def resource(wildcards: Any, input: Any, attempt: int) -> int:  # noqa: A002
        requests = requests_of(Path(input.gathered)).get(wildcards.dandiset, 0)
        needed = base + per_million * requests / 1e6
        return round(min(needed, most or needed) * attempt)

    return resource


def requests_of(gathered: Path) -> dict[str, int]:
    """The requests for each Dandiset over all time; none before `gather` has run."""
    try:
        changed = gathered.stat().st_mtime_ns
    except OSError:
        return {}
    return _read(gathered, changed)


@lru_cache(maxsize=1)
def _read(gathered: Path, changed: int) -> dict[str, int]:
    found = json.loads(gathered.read_text(encoding="utf-8"))["dandisets"]
    return {name: of.get("number_of_requests", 0) for name, of in found.items()}
