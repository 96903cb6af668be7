"""Measure reconciling and publishing a simulated archive, and how many of its counts are hidden.

    make bench-publish                DAYS=2588 DANDISETS=1000 VISITS=2e6

Once of an archive whose Dandisets are visited on some days, once of one where each is on every day.
Their exact figures are written directly, below bench/data, and deleted.
"""

import argparse
import multiprocessing
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from _mapped import Archive, simulate
from _measure import DATA, Cost, run_main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from published_attack import read


def apart(function: Callable, *arguments: Any) -> Any:
    """Call a function in a process of its own, for a job starts with the memory of this one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(archive: Archive) -> None:
    """Reconcile, publish, and tell what it cost and how many counts are hidden."""
    folder = archive.folder
    tell(
        "reconcile",
        run_main(
            "reconcile",
            mapped=folder / "mapped",
            dandisets=archive.dandisets,
            accounting=folder / "accounting.tsv",
            months=archive.months,
            by_day=archive.by_day,
            reconciled=folder / "reconciled.json",
        ),
    )
    (folder / "listing.json").write_text("{}")
    run_main(
        "provenance",
        listing=folder / "listing.json",
        accounting=folder / "accounting.tsv",
        version="0",
        commit=None,
        config="",
        provenance=folder / "provenance.json",
    )
    tell(
        "publish",
        run_main(
            "publish",
            mapped=folder / "mapped",
            activity=folder / "activity",
            reconciled=folder / "reconciled.json",
            coordinates=folder / "mapped/region_codes_to_coordinates.yaml",
            provenance=folder / "provenance.json",
            published=folder / "published",
            note=folder / "published.json",
            minimum=50,
            round_to=20,
            after=None,
            after_done=folder / "published.after.json",
        ),
    )
    apart(tell_hidden, folder / "published")


def tell_hidden(published: Path) -> None:
    """Print how many counts are hidden."""
    counts = read(published)
    told = sum(isinstance(count, int) for count in counts.values())
    hidden = [cell for cell, count in counts.items() if count == "hidden"]
    totals = sum(cell.table in ("total", "requesters") for cell in hidden)
    print(
        f"{len(counts):,} counts: {told:,} told, {len(counts) - told - len(hidden):,} small, "
        f"{len(hidden):,} hidden ({len(hidden) / (told + len(hidden)):.3%} of those not small), "
        f"{totals} totals among them",
        flush=True,
    )


def tell(what: str, cost: Cost) -> None:
    """Print what a step cost."""
    print(
        f"{what:<12}{cost.seconds:8.1f} s{cost.core_seconds:8.1f} s of a core"
        f"{cost.peak / 2**30:7.2f} GiB",
        flush=True,
    )


def main() -> None:
    """Measure both archives."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--days", type=int, default=2588)
    parser.add_argument("--dandisets", type=int, default=1000)
    parser.add_argument("--visits", type=float, default=2e6)
    options = parser.parse_args()
    for every_day in (False, True):
        folder = DATA / "publish"
        shutil.rmtree(folder, ignore_errors=True)
        archive = apart(
            simulate, folder, options.days, options.dandisets, int(options.visits), every_day
        )
        rows = sum(1 for path in folder.glob("mapped/*/*_by_day.tsv") for _ in path.open()) - len(
            archive.dandisets
        )
        print(f"{len(archive.dandisets):,} Dandisets, {rows:,} days of them", flush=True)
        measure(archive)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
