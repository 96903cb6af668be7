"""Measure the workflow on a whole archive of small days: what planning costs, and what a night.

    make bench-scale DAYS=2588 DANDISETS=1000

The same is measured with the first 60 days alone behind it: what a night takes longer is the price
of history. The archives are kept in bench/data and used again; one that was left half done is
completed.
"""

import argparse
import datetime as dt
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import simulate
from _workflow import DATA, Measured, run
from archive_parts import day_path
from log_lines import log_time

FEW_DAYS = 60
FIRST_DAY = dt.date(2019, 10, 1)


def prepared(days: int, dandisets: int) -> Path:
    """An archive of so many days that is up to date; its first run is told if it has to be made."""
    archive = DATA / f"scale-{days}-{dandisets}"
    if not (archive / "config.yaml").exists():
        simulate.archive(archive, days=days, dandisets=dandisets)
    if not (archive / "results/published").exists():
        missing = days - len(list(archive.glob("results/reduced/*/*/*.parquet")))
        if missing:
            reduced = run(archive, "reduce_all")
            tell(f"reduce {missing:,} days", reduced, f"{reduced.seconds / missing:.3f} s a day")
        rest = run(archive)
        tell(f"all else of {days:,} days", rest, f"{rest.seconds / rest.jobs:.3f} s a job")
    run(archive)
    return archive


def add_day(archive: Path) -> None:
    """Add the day after the last one: its requests are those of the first."""
    raw = archive / "raw"
    date = FIRST_DAY + dt.timedelta(len(list(raw.glob("*/*/*.log"))))
    first, new = (log_time(simulate.start_of(d)).split(":")[0].encode() for d in (FIRST_DAY, date))
    path = day_path(raw, date)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(day_path(raw, FIRST_DAY).read_bytes().replace(first, new))


def best(measured: list[Measured]) -> Measured:
    """The shortest of some runs."""
    return min(measured, key=lambda one: one.seconds)


def measure(archive: Path, days: int, repeats: int) -> Measured:
    """Tell what planning and nights cost with an archive behind them; returns the best night."""
    dry = best([run(archive, "--dry-run") for _ in range(repeats)])
    tell(f"{days:,} days: dry run, nothing to do", dry)
    tell(f"{days:,} days: run, nothing to do", best([run(archive) for _ in range(repeats)]))
    plans, nights = [], []
    for _ in range(repeats):
        add_day(archive)
        plans.append(run(archive, "--dry-run"))
        nights.append(run(archive))
    tell(f"{days:,} days: dry run, one day more", best(plans))
    night = best(nights)
    tell(f"{days:,} days: a night, one day more", night)
    return night


def tell(what: str, run: Measured, note: str = "") -> None:
    """Print a row of the table."""
    in_jobs = run.rules["seconds"].sum()
    print(
        f"{what:<42}{run.seconds:9.1f} s{run.core_seconds:9.1f} s{in_jobs:9.1f} s"
        f"{run.jobs:7,}{run.peak / 1e6:8.0f} MB  {note}".rstrip(),
        flush=True,
    )


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--days", type=int, default=2588)
    parser.add_argument("--dandisets", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many is told")
    options = parser.parse_args()
    heads = ("by the clock", "of a core", "in jobs", "jobs", "Snakemake")
    print("{:<42}{:>11}{:>11}{:>11}{:>7}{:>11}".format("", *heads))
    few, many = (
        measure(prepared(days, options.dandisets), days, options.repeats)
        for days in (FEW_DAYS, options.days)
    )
    longer = many.seconds - few.seconds
    print(f"\nA night takes {longer:.1f} s more with {options.days:,} days behind it.")


if __name__ == "__main__":
    main()
