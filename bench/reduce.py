"""Measure reduce on simulated busy days, next to `grep -c` on the same file.

    make bench-reduce

Each figure is of whole processes on a warm page cache, the best of `RUNS`, with one thread for
Polars, as in a job of Snakemake, and each process on a core of its own; of a compressed day it may
take two, as decompressing goes ahead of the rest. grep counts `REST.GET.OBJECT` right before each,
so that a machine that others use weighs on both. The days, of `GIGABYTES` and of `LARGE`, lie in
`TMPDIR`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from _measure import ROOT, RUNS, on_cores

GIGABYTES = float(os.environ.get("GIGABYTES", "2"))
LARGE = float(os.environ.get("LARGE", "8"))
OPERATION = "REST.GET.OBJECT"
EXCLUDED = 5_000

ONE_DAY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import reduce
out = Path(sys.argv[3])
reduce.main(
    raw=Path(sys.argv[2]),
    requests=out.with_suffix(".parquet"),
    counts=out.with_suffix(".json"),
    operation=sys.argv[4],
    exclude_ips=[f"10.{n >> 8}.{n & 255}.0/24" for n in range(int(sys.argv[5]))],
)
"""

GAWK = r"""
BEGIN {
    split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", names)
    for (n in names) month[names[n]] = n
}
$8 == operation && $9 ~ /^(blobs|zarr)\// && match($0, /" ([0-9]{3}) [^ ]+ ([0-9]+|-) /, at) {
    if (at[1] !~ /^2/) next
    key = $9
    if (key ~ /^zarr\//) { split(key, part, "/"); key = part[1] "/" part[2] }
    time = substr($3, 9, 4) "-" month[substr($3, 5, 3)] "-" substr($3, 2, 2) "T" substr($3, 14)
    print time "\t" $5 "\t" key "\t" (at[2] == "-" ? 0 : at[2]) "\t" at[1]
}
"""

DUCKDB = """
import sys, duckdb
fields = (
    r'''^[^ ]* [^ ]* \\[([^\\]]+)\\] ([^ ]+) .* (REST[^ ]+) ([^ ]+) .*'''
    r'''" ([0-9]{3}) [^ ]+ ([0-9]+|-) '''
)
duckdb.sql("SET threads = 1")
duckdb.sql(f'''
    COPY (
        SELECT strptime(line.time, '%d/%b/%Y:%H:%M:%S +0000') AS timestamp, line.ip AS ip_address,
            CASE WHEN line.key LIKE 'zarr/%' THEN regexp_extract(line.key, '^zarr/[^/]+')
                ELSE line.key END AS object_key,
            coalesce(try_cast(line.bytes AS BIGINT), 0) AS bytes_sent,
            line.status::USMALLINT AS status
        FROM (
            SELECT regexp_extract(text, '{fields}',
                ['time', 'ip', 'operation', 'key', 'status', 'bytes']) AS line
            FROM read_csv('{sys.argv[1]}', columns = {{'text': 'VARCHAR'}}, delim = '\\x01',
                quote = '', escape = '', header = false)
        )
        WHERE line.operation = '{sys.argv[3]}' AND line.status LIKE '2%'
            AND regexp_matches(line.key, '^(blobs|zarr)/')
    ) TO '{sys.argv[2]}' (FORMAT parquet)
''')
"""


@dataclass(frozen=True)
class Cost:
    """What some processes cost together: seconds of the clock and of all cores, bytes at most."""

    seconds: float
    core_seconds: float
    peak: int


def cost(*commands: Sequence[str | Path], stdout: Path | None = None, cores: int = 1) -> Cost:
    """Run commands at the same time, each a process of its own, on so many cores each."""
    settings = {**os.environ, "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C"}
    with open(stdout or os.devnull, "wb") as out:  # noqa: PTH123
        began = time.perf_counter()
        # grep stops at the first line it finds if it sees /dev/null itself.
        running = [
            subprocess.Popen(
                [*on_cores(number, cores), *command],
                stdout=out if stdout else subprocess.PIPE,
                env=settings,
            )
            for number, command in enumerate(commands)
        ]
        for process in running:
            if process.stdout:
                while process.stdout.read(1 << 20):
                    pass
        usages = []
        for process in running:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                sys.exit(f"{process.args[0]} ended with {process.returncode}")
            usages.append(usage)
        seconds = time.perf_counter() - began
    return Cost(
        seconds,
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        max(usage.ru_maxrss << 10 for usage in usages),
    )


class Bench:
    """The days, and the table that is printed of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        print(
            f"{'':<36}{'MB':>7}{'seconds':>9}{'x grep':>8}{'MB/s':>7}{'core s':>8}{'peak MB':>9}",
            flush=True,
        )

    def day(self, name: str, gigabytes: float, hostile: float, seed: int = 0) -> Path:
        """Simulate a day."""
        path = self.folder / name
        simulate = [sys.executable, ROOT / "tests/simulate.py", "day", path]
        options = {"bytes": gigabytes * 1e9, "hostile": hostile, "seed": seed}
        subprocess.run(
            [*simulate, *(f"--{key}={value}" for key, value in options.items())],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return path

    def reduce(self, raw: Path, excluded: int = 0) -> list[str | Path]:
        """The command that reduces a day."""
        out = self.folder / f"out/{raw.name}"
        return [sys.executable, "-c", ONE_DAY, ROOT / "scripts", raw, out, OPERATION, str(excluded)]

    def measure(
        self,
        what: str,
        *commands: Sequence[str | Path],
        of: Sequence[Path],
        yardstick: Sequence[str | Path] = (),
        unit: str = "",
        runs: int = RUNS,
        cores: int = 1,
        stdout: Path | None = None,
    ) -> Cost:
        """Measure commands next to a yardstick, and print the best of their times.

        Args:
            what: They do.
            commands: Run at the same time.
            of: The days that they read, whose size counts.
            yardstick: Another command than counting lines of the first day by grep.
            unit: The yardstick, to read.
            runs: How often.
            cores: For each process.
            stdout: Where their output goes, if it is not thrown away.
        """
        size = sum(path.stat().st_size for path in of)
        counting = yardstick or ["grep", "-c", OPERATION, of[0]]
        best, least = None, None
        for _ in range(runs):
            # What is decompressed alone goes nowhere. Through a pipe it takes half as long again.
            yard = cost(counting, stdout=Path(os.devnull) if yardstick else None)
            least = yard if least is None else min(least, yard, key=lambda c: c.seconds)
            found = cost(*commands, stdout=stdout, cores=cores)
            best = found if best is None else min(best, found, key=lambda c: c.seconds)
        print(
            f"{what:<36}{size / 1e6:>7.0f}{best.seconds:>9.2f}{best.seconds / least.seconds:>8.2f}"
            f"{size / 1e6 / best.seconds:>7.0f}{best.core_seconds:>8.2f}{best.peak / 1e6:>9.0f}"
            f"{'  x ' + unit if unit else ''}",
            flush=True,
        )
        return best

    def plain(self) -> None:
        """Days of some sizes, clean and hostile, one and two at once."""
        small = self.day("small.log", GIGABYTES / 4, hostile=0)
        self.measure("reduce", self.reduce(small), of=[small])
        clean = self.day("clean.log", GIGABYTES, hostile=0)
        grep = ["grep", "-c", OPERATION, clean]
        self.measure("grep -c", grep, of=[clean])
        alone = self.measure("reduce", self.reduce(clean), of=[clean])
        self.measure("reduce, free to take two cores", self.reduce(clean), of=[clean], cores=2)
        excluding = self.reduce(clean, EXCLUDED)
        self.measure(f"reduce, {EXCLUDED} blocks excluded", excluding, of=[clean])
        hostile = self.day("hostile.log", GIGABYTES, hostile=0.01)
        odd = self.measure("reduce, 1 % of the lines hostile", self.reduce(hostile), of=[hostile])
        pair = [self.reduce(clean), self.reduce(hostile)]
        both = self.measure("reduce, both days at once", *pair, of=[clean, hostile])
        print(f"hostile lines cost {odd.seconds / alone.seconds - 1:.0%} more; ", end="")
        print(f"two days at once are {(alone.seconds + odd.seconds) / both.seconds:.2f} x one")
        hostile.unlink()
        self.compressed(small)
        self.compressed(clean)
        self.others(clean)
        clean.unlink()
        large = self.day("large.log", LARGE, hostile=0)
        self.measure("reduce", self.reduce(large), of=[large], runs=1)
        large.unlink()

    def compressed(self, day: Path) -> None:
        """A day that is compressed, against decompressing alone."""
        tools = {".gz": ("gzip", "-6"), ".zst": ("zstd", "-3")}
        for suffix, (tool, level) in tools.items():
            if not shutil.which(tool):
                print(f"{tool} is not installed")
                continue
            path = day.with_name(day.name + suffix)
            with path.open("wb") as file:
                subprocess.run([tool, level, "-c", day], stdout=file, check=True)
            alone = [tool, "-d", "-c", path]
            self.measure(
                f"reduce {suffix}, on two cores",
                self.reduce(path),
                of=[day],
                yardstick=alone,
                unit=f"{tool} -dc",
                cores=2,
            )

    def others(self, day: Path) -> None:
        """The same job by other tools."""
        out = self.folder / "out/others"
        if shutil.which("gawk"):
            gawk = ["gawk", "-v", f"operation={OPERATION}", GAWK, day]
            self.measure("GNU awk", gawk, of=[day], runs=1, stdout=out)
        else:
            print("GNU awk is not installed")
        if importlib.util.find_spec("duckdb"):
            duckdb = [sys.executable, "-c", DUCKDB, day, out, OPERATION]
            self.measure("DuckDB", duckdb, of=[day], runs=1)
        else:
            print("DuckDB is not installed")


def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="bench-reduce-") as name:
        (Path(name) / "out").mkdir()
        Bench(Path(name)).plain()


if __name__ == "__main__":
    main()
