"""A small archive whose every part is known, ways to change any, and which jobs a run started."""

import datetime as dt
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import yaml
from archive_parts import Asset, content_of_name, write_snapshot
from log_lines import Content, render_line, successful_get
from workflow import Run, Tree, foretold, output_of, results, run, write_yaml

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
    (folder / "config").mkdir(exist_ok=True)
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


def update(folder: Path) -> set[str]:
    """Run the workflow on an archive; returns the jobs it started."""
    return named_jobs(run(folder, salt=SALT))


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


def foretold_of(folder: Path, raw: str = "raw") -> Mapping[str, bytes]:
    """What the oracle says of an archive, whose raw logs may all be in another folder."""
    return foretold(configuration(folder) | {"raw_logs": raw}, folder)
