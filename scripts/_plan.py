"""What a plan comes to, in days, months, Dandisets and bytes.

Snakemake imports this while it plans, so it needs nothing that takes time to import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def size(number: int) -> str:
    """A number of bytes, to be read: `1.2 GB`, with decimal units."""
    amount, unit = float(number), 0
    while amount >= 999.5 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.{1 if unit and amount < 99.95 else 0}f} {UNITS[unit]}"


def outline(jobs: Mapping[str, int], raw_bytes: int, active: int = 0) -> Iterator[str]:
    """The plan in a few lines, as far as it is known.

    Which months are assigned and which Dandisets are mapped shows behind the checkpoints only.

    Args:
        jobs: How many jobs of each rule are planned.
        raw_bytes: The size of the raw days among them.
        active: How many Dandisets of this run had activity when `gather` ran last.
    """
    days, bins, assigns, maps = (jobs.get(rule, 0) for rule in ("reduce", "bin", "assign", "map"))
    yield f"Days to reduce: {days:,}" + (f", {size(raw_bytes)} of raw logs to read" if days else "")
    yield f"Months to bin: {bins:,}"
    if jobs.get("route"):
        yield f"Months to assign: at most {assigns:,}, of which only those run that changed"
    else:
        yield f"Months to assign: {assigns:,}"
    if jobs.get("gather"):
        known = f"of the {active:,} with activity so far those that change, and new ones"
        yield "Dandisets to map: " + (known if active else "not known before gather has run")
    else:
        yield f"Dandisets to map: {maps:,}"
