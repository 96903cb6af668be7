"""A small archive whose every part is known, ways to change any, and which jobs a run started."""

import datetime as dt
import gzip
import re
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from random import Random
from typing import Any

import oracle
import simulate
import yaml
import zstandard
from archive_parts import ADDRESSES, Asset, content_of_name, random_content, write_snapshot
from log_lines import Content, render_line, successful_get
from workflow import Run, Tree, copy, foretold, output_of, results, run, write_yaml

SALT = "of these tests"
"""Two runs write the same bytes only if they hash under the same salt."""

# --- The archive ---------------------------------------------------------------------------------

ALPHA = content_of_name("blob", "alpha", 1_000)
BETA = content_of_name("blob", "beta", 2_000)
GAMMA = content_of_name("zarr", "gamma", 3_000)
SHARED = content_of_name("blob", "shared", 4_000)
ORPHAN = content_of_name("blob", "orphan", 5_000)
"""Asked for, but of no Dandiset."""
UNUSED = content_of_name("blob", "unused", 6_000)
"""Not asked for, but of a Dandiset whose other objects are."""
QUIET = content_of_name("blob", "quiet", 7_000)
"""Of a Dandiset that nobody asks for."""

ASSETS = (
    Asset("000001", "0.220101.0101", "first/a.nwb", ALPHA, "2021-01-01T00:00:00Z"),
    Asset("000001", "draft", "a.nwb", ALPHA, "2021-01-01T00:00:00Z"),
    Asset("000001", "draft", "shared.json", SHARED, "2021-01-02T00:00:00Z"),
    Asset("000002", "draft", "b.mp4", BETA, "2021-01-03T00:00:00Z"),
    Asset("000002", "draft", "unused.tif", UNUSED, "2021-01-04T00:00:00Z"),
    Asset("000003", "draft", "g.ome.zarr", GAMMA, "2021-01-05T00:00:00Z"),
    Asset("000003", "draft", "other/shared.json", SHARED, "2021-01-06T00:00:00Z"),
    Asset("000004", "draft", "quiet.nwb", QUIET, "2021-01-07T00:00:00Z"),
)
"""Alpha is asked for in January and February, beta in February, gamma and shared in January."""

CLOUD = "203.0.113.18"
SERVICE = "198.51.100.5"
HOME, HOME_RANGE = "192.0.2.1", "192.0.2.0/26"
"""Of no known region: it asks for gamma alone, in January alone."""

CONFIG = {
    "raw_logs": "raw",
    "results": "results",
    "cache": "cache",
    "operation": "REST.GET.OBJECT",
    "exclude": {"ips": [], "years": [], "dandisets": []},
    "restrict_to_dandisets": [],
    "dandi": {"source": "snapshot", "snapshot": "snapshot.tsv"},
    "regions": {
        "provider": "none",
        "services": {"AWS": "services/aws.json", "VPN": "services/vpn.txt"},
    },
    "mapping": {"asset_logs": True},
    "privacy": {"minimum": 50, "round_to": 20},
}


def line(time: str, ip: str, content: Content) -> bytes:
    """One request that counts, at a time such as `2022-01-05 06:00`."""
    rng = Random(f"{time} {ip} {content}")
    moment = dt.datetime.fromisoformat(time)
    return render_line(successful_get(rng, moment, ip, content)) + b"\n"


def add(path: Path, *lines: bytes) -> None:
    """Add lines to a raw log, which may be a new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(lines)


def write_archive(folder: Path) -> Path:
    """Write four days of two months, one of them as delivered, and all else that a run needs."""
    raw = folder / "raw"
    add(
        raw / "2022/01/05.log",
        line("2022-01-05 06:00", CLOUD, ALPHA),
        line("2022-01-05 07:00", SERVICE, SHARED),
        line("2021-12-31 23:00", SERVICE, ALPHA),
        b"no line of a log\n",
    )
    add(raw / "2022/01/06/2022-01-06-12-00-00-A", line("2022-01-06 08:00", HOME, GAMMA))
    add(raw / "2022/01/06/2022-01-06-18-00-00-B", line("2022-01-06 09:00", CLOUD, SHARED))
    add(
        raw / "2022/02/01.log",
        line("2022-02-01 06:00", CLOUD, ALPHA),
        line("2022-02-01 07:00", SERVICE, BETA),
    )
    add(raw / "2022/02/02.log", line("2022-02-02 06:00", SERVICE, ORPHAN))
    list_assets(folder, ASSETS)
    (folder / "services").mkdir()
    ranges = '{"prefixes": [{"ip_prefix": "203.0.113.16/28", "region": "us-east-2"}]}\n'
    (folder / "services/aws.json").write_text(ranges)
    (folder / "services/vpn.txt").write_text("198.51.100.0/28\n")
    configure(folder)
    return folder


def list_assets(folder: Path, assets: Iterable[Asset]) -> None:
    """Replace an archive's Dandiset snapshot."""
    write_snapshot(folder / "snapshot.tsv", assets)


def configure(folder: Path, **changes: Any) -> None:
    """Write an archive's configuration where a run in its folder finds it, with some keys changed.

    Paths are relative, so that a copy of the folder is up to date like the folder itself.
    """
    (folder / "config").mkdir(parents=True, exist_ok=True)
    write_yaml(folder / "config/config.yaml", CONFIG | changes)


def configuration(folder: Path) -> dict[str, Any]:
    """The configuration of an archive."""
    return yaml.safe_load((folder / "config/config.yaml").read_text())


# --- Runs ----------------------------------------------------------------------------------------

JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):\n((?: {4}.*\n)*)", re.MULTILINE)
WILDCARDS = re.compile(r"^ {4}wildcards: (.*)$", re.MULTILINE)


def named_jobs(result: Run) -> set[str]:
    """The jobs that a run started, but for `all`: `bin 2022-01`, `map 000001`, `publish`."""
    jobs = []
    for rule, details in JOB.findall(output_of(result)):
        wildcards = WILDCARDS.search(details)
        values = [pair.split("=")[1] for pair in wildcards[1].split(", ")] if wildcards else []
        jobs.append(" ".join([rule, "-".join(values)]).strip())
    assert len(jobs) == len(set(jobs)), f"a job ran twice: {sorted(jobs)}"
    return set(jobs) - {"all"}


def update(folder: Path, *targets: str) -> set[str]:
    """Run the workflow on an archive; returns the jobs it started."""
    return named_jobs(run(folder, *targets, salt=SALT))


def from_scratch(folder: Path, to: Path, raw: str = "raw") -> Tree:
    """What a first run makes of an archive's inputs.

    Args:
        folder: The archive.
        to: Where its inputs are copied to.
        raw: Its folder of raw logs, where another than the configured one has them all.
    """
    to.mkdir()
    for name in (raw, "snapshot.tsv", "services", "regions.mmdb", "config"):
        if (folder / name).exists():
            target = to / ("raw" if name == raw else name)
            subprocess.run(["cp", "-a", str(folder / name), str(target)], check=True)
    run(to, salt=SALT)
    return results(to)


def foretold_of(folder: Path, raw: str = "raw") -> Tree:
    """What the oracle says of an archive, whose raw logs may all be in another folder."""
    return foretold(configuration(folder) | {"raw_logs": raw}, folder)


# --- A random archive, changed at random ---------------------------------------------------------


class RandomArchive:
    """A random archive that can be changed; each change shows in what a run makes of it, or not.

    Attributes:
        folder: Where it is. Its `raw` may lose days; `everything` keeps them all.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self._rng = Random(seed)
        simulate.random_archive(folder, seed)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        services = config["regions"]["services"]
        config["regions"] |= {
            "mmdb": "regions.mmdb",
            "services": {label: f"services/{Path(path).name}" for label, path in services.items()},
        }
        config["dandi"]["snapshot"] = CONFIG["dandi"]["snapshot"]
        places = {name: CONFIG[name] for name in ("raw_logs", "results", "cache")}
        configure(folder, **config | places)
        copy(folder / "raw", folder / "everything")
        header, *rows = (folder / "snapshot.tsv").read_text().splitlines()
        self._header = header
        self._rows = [row.split("\t") for row in rows]

    def change(self) -> str:
        """Change anything; returns what."""
        changes = (
            *(self._add_lines, self._add_lines, self._add_day, self._archive_day, self._touch_day),
            *(self._rename, self._delist, self._list_more, self._list_earlier, self._make_known),
            self._set_otherwise,
        )
        while True:
            change = self._rng.choice(changes)
            what = change()
            if what is not None:
                return f"{change.__name__}: {what}"

    def _days(self) -> list[Path]:
        return [path for _, path in oracle.days(self.folder / "raw")]

    def _contents(self) -> list[Content]:
        listed = {Content(row[4], row[3], int(row[5])) for row in self._rows}
        return [*sorted(listed, key=lambda content: content.id), random_content(self._rng, "blob")]

    def _keep(self, day: Path) -> None:
        """Bring `everything` up to a changed day."""
        kept = self.folder / "everything" / day.relative_to(self.folder / "raw")
        if kept.is_dir():
            shutil.rmtree(kept)
        kept.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(day), str(kept)], check=True)

    def _add_lines(self) -> str | None:
        rng, days = self._rng, self._days()
        if not days:
            return None
        day = rng.choice(days)
        year, month, name = day.parts[-3:]
        date = dt.date(int(year), int(month), int(name[:2]))
        count = rng.choice((1, 1, 5))
        lines = [simulate.random_line(rng, date, self._contents()) for _ in range(count)]
        content = b"".join(line + b"\n" for line in lines)
        path = day
        if day.is_dir():
            path = rng.choice([*sorted(day.iterdir()), day / f"2023-01-01-{rng.random()}"])
        elif day.suffix == ".gz":
            content = gzip.compress(content)
        elif day.suffix == ".zst":
            content = zstandard.compress(content)
        add(path, content)
        self._keep(day)
        return str(path)

    def _add_day(self) -> str | None:
        days = {day for day, _ in oracle.days(self.folder / "everything")}
        date = self._rng.choice(simulate.random_dates(self._rng))
        if (f"{date:%Y}", f"{date:%m}", f"{date:%d}") in days:
            return None
        simulate.write_random_day(self._rng, self.folder / "raw", date, self._contents())
        day = next((self.folder / f"raw/{date:%Y/%m}").glob(f"{date:%d}*"))
        self._keep(day)
        return str(day)

    def _archive_day(self) -> str | None:
        days = self._days()
        if not days:
            return None
        day = self._rng.choice(days)
        shutil.rmtree(day) if day.is_dir() else day.unlink()
        return str(day)

    def _touch_day(self) -> str | None:
        days = self._days()
        if not days:
            return None
        day = self._rng.choice(days)
        day.touch()
        return str(day)

    def _write_rows(self) -> None:
        text = "".join("\t".join(row) + "\n" for row in (self._header.split("\t"), *self._rows))
        (self.folder / "snapshot.tsv").write_text(text)

    def _rename(self) -> str | None:
        if not self._rows:
            return None
        row = self._rng.choice(self._rows)
        row[2] = f"renamed/{self._rng.random()}.nwb"
        self._write_rows()
        return "\t".join(row)

    def _delist(self) -> str | None:
        """Take away a Dandiset, a content or an asset."""
        if not self._rows:
            return None
        row, column = self._rng.choice(self._rows), self._rng.choice((0, 3, 2))
        self._rows = [other for other in self._rows if other[column] != row[column]]
        self._write_rows()
        return f"all with {row[column]}"

    def _list_more(self) -> str:
        content = self._rng.choice(self._contents())
        dandiset = self._rng.choice([*(row[0] for row in self._rows), "000999"])
        version = self._rng.choice(("draft", "0.220126.2143", ""))
        path = f"more/{self._rng.random()}.tif"
        created = simulate.random_instant(self._rng)
        row = [dandiset, version, path, content.id, content.kind, str(content.size), created]
        self._rows.append(row)
        self._write_rows()
        return "\t".join(row)

    def _list_earlier(self) -> str | None:
        if not self._rows:
            return None
        row = self._rng.choice(self._rows)
        row[6] = "2020-01-01T00:00:00Z"
        self._write_rows()
        return "\t".join(row)

    def _make_known(self) -> str | None:
        """Ask a provider, or list the range of an address that was undetermined until now."""
        config = configuration(self.folder)
        with chdir(self.folder):
            locate = oracle.locator(config["regions"], {})
            unknown = [ip for ip in ADDRESSES if locate(ip) == oracle.UNDETERMINED]
        if not unknown:
            return None
        if "VPN" in config["regions"]["services"] and self._rng.random() < 0.7:
            address = self._rng.choice(unknown)
            add(self.folder / "services/vpn.txt", f"{address}\n".encode())
            return address
        config["regions"]["provider"] = "mmdb"
        configure(self.folder, **config)
        return "mmdb"

    def _set_otherwise(self) -> str:
        config = configuration(self.folder)
        config["mapping"]["asset_logs"] ^= True
        configure(self.folder, **config)
        return "asset_logs"
