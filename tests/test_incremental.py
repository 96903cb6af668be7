"""A run does what changed, nothing else, and ends as a run from scratch would.

The jobs that Snakemake starts are counted, and all results compared byte for byte. `-m slow` adds
the comparison with a run from scratch after every single change, and runs that are killed.
"""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from archive_parts import Asset, content_of_name, write_regions
from incremental import (
    ALPHA,
    ASSETS,
    BETA,
    CLOUD,
    CONFIG,
    GAMMA,
    HOME,
    HOME_RANGE,
    ORPHAN,
    SALT,
    SERVICE,
    RandomArchive,
    add,
    configure,
    foretold_of,
    from_scratch,
    line,
    list_assets,
    update,
    write_archive,
)
from workflow import (
    ROOT,
    below,
    copy,
    differences,
    environment,
    foretellable,
    results,
    tree,
    unlike,
)

Change = Callable[[Path], object]

# --- Changes -------------------------------------------------------------------------------------

A_DELIVERY = "raw/2022/01/06/2022-01-06-12-00-00-A"


def add_line(folder: Path) -> None:
    add(folder / "raw/2022/02/01.log", line("2022-02-01 09:00", SERVICE, BETA))


def add_late_line(folder: Path) -> None:
    add(folder / "raw/2022/02/02.log", line("2022-01-06 09:00", HOME, GAMMA))


def add_day(folder: Path) -> None:
    add(folder / "raw/2022/02/03.log", line("2022-02-03 09:00", CLOUD, ALPHA))


def add_month(folder: Path) -> None:
    add(folder / "raw/2022/03/01.log", line("2022-03-01 09:00", CLOUD, ORPHAN))


def add_delivery(folder: Path) -> None:
    add(folder / f"{A_DELIVERY}2", line("2022-01-06 10:00", HOME, GAMMA))


def add_to_delivery(folder: Path) -> None:
    add(folder / A_DELIVERY, line("2022-01-06 10:00", HOME, GAMMA))


def remove_delivery(folder: Path) -> None:
    (folder / A_DELIVERY).unlink()


def replace_day(folder: Path) -> None:
    """Another file of the same size comes, with a time before that of the last run."""
    path = folder / "raw/2022/02/01.log"
    other = path.read_bytes().replace(b" 200 - 2000 ", b" 200 - 1999 ")
    assert len(other) == path.stat().st_size
    assert other != path.read_bytes()
    set_back(path, other)


def replace_delivery(folder: Path) -> None:
    """A file that is not the newest of its folder is written anew, with an older time."""
    path = folder / A_DELIVERY
    set_back(path, path.read_bytes().replace(b"06/Jan/2022:08", b"06/Jan/2022:07"))


def set_back(path: Path, content: bytes) -> None:
    """Write a file in the way of `rsync --inplace --times`."""
    earlier = path.stat().st_mtime - 3600
    path.write_bytes(content)
    os.utime(path, (earlier, earlier))


def compress_day(folder: Path) -> None:
    path = folder / "raw/2022/02/01.log"
    path.with_suffix(".log.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def touch_days(folder: Path) -> None:
    (folder / "raw/2022/02/01.log").touch()
    (folder / A_DELIVERY).touch()


def rename(folder: Path) -> None:
    renamed = {"a.nwb": "renamed.nwb"}
    list_assets(folder, [replace(a, path=renamed.get(a.path, a.path)) for a in ASSETS])


def list_orphan(folder: Path) -> None:
    """A new Dandiset turns out to hold what was undetermined."""
    list_assets(
        folder, [*ASSETS, Asset("000005", "draft", "o.nwb", ORPHAN, "2021-01-08T00:00:00Z")]
    )


def list_again(folder: Path) -> None:
    """A Dandiset takes in what belongs to another one, and goes on to."""
    asset = Asset("000002", "draft", "a.nwb", ALPHA, "2021-01-08T00:00:00Z")
    list_assets(folder, [*ASSETS, asset])


def change_owner(folder: Path) -> None:
    first = {"other/shared.json": "2020-01-01T00:00:00Z"}
    list_assets(folder, [replace(a, created=first.get(a.path, a.created)) for a in ASSETS])


def list_untouched(folder: Path) -> None:
    """Dandisets with and without activity get an asset that nobody asked for."""
    new = content_of_name("blob", "new", 8_000)
    dandisets = ("000001", "000004", "000006")
    added = [Asset(d, "draft", "new.nwb", new, "2021-01-08T00:00:00Z") for d in dandisets]
    list_assets(folder, [*ASSETS, *added])


def delist(folder: Path) -> None:
    list_assets(folder, [asset for asset in ASSETS if asset.dandiset != "000002"])


def add_range(folder: Path) -> None:
    add(folder / "services/vpn.txt", f"{HOME_RANGE}\n".encode())


def ask_provider(folder: Path) -> None:
    write_regions(folder / "regions.mmdb")
    regions = {**CONFIG["regions"], "provider": "mmdb", "mmdb": "regions.mmdb"}
    configure(folder, regions=regions)


def leave_out_logs(folder: Path) -> None:
    configure(folder, mapping={"asset_logs": False})


def round_otherwise(folder: Path) -> None:
    configure(folder, privacy={"minimum": 10, "round_to": 5})


# --- The jobs that they take ---------------------------------------------------------------------

OF_FIGURES = {"totals", "coordinates", "reconcile", "publish"}
OF_ANY = {"route", "gather"}
OF_A_RAW_DAY = OF_ANY | OF_FIGURES | {"yearly_accounts 2022", "accounting", "locate", "provenance"}
OF_A_LISTING = OF_ANY | {"list_dandisets", "provenance", "publish"}
"""The provenance names the listing, and is published."""


def month(name: str) -> set[str]:
    """The jobs of a month whose logs changed."""
    return {f"{rule} {name}" for rule in ("bin", "hash_addresses", "assign")}


CHANGES: dict[Change, set[str]] = {
    add_line: OF_A_RAW_DAY | month("2022-02") | {"reduce 2022-02-01", "map 000002"},
    add_day: OF_A_RAW_DAY | month("2022-02") | {"reduce 2022-02-03", "map 000001"},
    add_month: OF_A_RAW_DAY | month("2022-03") | {"reduce 2022-03-01", "map undetermined"},
    add_delivery: OF_A_RAW_DAY | month("2022-01") | {"reduce 2022-01-06", "map 000003"},
    replace_day: OF_A_RAW_DAY | month("2022-02") | {"reduce 2022-02-01", "map 000002"},
    replace_delivery: OF_A_RAW_DAY | month("2022-01") | {"reduce 2022-01-06", "map 000003"},
    rename: OF_A_LISTING | OF_FIGURES | {"map 000001"},
    list_orphan: OF_A_LISTING | OF_FIGURES | {"assign 2022-02", "map 000005"},
    change_owner: OF_A_LISTING | OF_FIGURES | {"assign 2022-01", "map 000001", "map 000003"},
    list_untouched: OF_A_LISTING,
    delist: OF_A_LISTING | OF_FIGURES | {"assign 2022-02", "map undetermined"},
    add_range: OF_ANY | OF_FIGURES | {"locate", "assign 2022-01", "map 000003"},
    round_otherwise: {"provenance", "publish"},
}
MORE_CHANGES: dict[Change, set[str]] = {
    add_late_line: OF_A_RAW_DAY | month("2022-02") | {"reduce 2022-02-02", "map 000003"},
    add_to_delivery: OF_A_RAW_DAY | month("2022-01") | {"reduce 2022-01-06", "map 000003"},
    remove_delivery: OF_A_RAW_DAY | month("2022-01") | {"reduce 2022-01-06", "map 000003"},
    list_again: OF_A_LISTING | OF_FIGURES | {"assign 2022-01", "assign 2022-02", "map 000002"},
    ask_provider: OF_ANY | OF_FIGURES | {"locate", "provenance", "assign 2022-01", "map 000003"},
    leave_out_logs: {"assign 2022-01", "assign 2022-02", "gather"}
    | {f"map {dandiset}" for dandiset in ("000001", "000002", "000003", "undetermined")}
    | {"provenance", "reconcile", "publish"},
}
"""Much like some of the others: they take their time in the slow tests alone."""


def named(change: Change) -> str:
    return change.__name__


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """The archive after its first run. Not to be changed: tests change copies."""
    folder = write_archive(tmp_path_factory.mktemp("archive") / "first")
    update(folder)
    assert unlike(foretellable(results(folder)), foretold_of(folder)) == []
    return folder


@pytest.fixture
def archive(first: Path, tmp_path: Path) -> Path:
    """A copy of the archive after its first run."""
    return copy(first, tmp_path / "archive")


# --- Exactly incremental -------------------------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES, ids=named)
def test_change_runs_what_it_touches(archive: Path, change: Change):
    change(archive)
    assert update(archive) == CHANGES[change]
    assert unlike(foretellable(results(archive)), foretold_of(archive)) == []


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES | MORE_CHANGES, ids=named)
def test_change_ends_as_from_scratch(archive: Path, tmp_path: Path, change: Change):
    change(archive)
    assert update(archive) == (CHANGES | MORE_CHANGES)[change]
    assert differences(results(archive), from_scratch(archive, tmp_path / "scratch")) == []
    assert update(archive) == set()


def test_changes_of_all_kinds_at_once_end_as_from_scratch(archive: Path, tmp_path: Path):
    for change in (add_line, add_month, replace_delivery, add_range, delist, leave_out_logs):
        change(archive)
    update(archive)
    assert differences(results(archive), from_scratch(archive, tmp_path / "scratch")) == []
    assert update(archive) == set()


def test_what_an_ended_run_had_mapped_is_published_by_the_next(archive: Path):
    """Even if no total changed, as when an asset is renamed."""
    rename(archive)
    assert {"map 000001", "totals"} <= update(archive, "map_all", "totals")
    assert "publish" in update(archive)
    assert unlike(foretellable(results(archive)), foretold_of(archive)) == []
    assert update(archive) == set()


def test_without_change_nothing_runs(archive: Path):
    assert update(archive) == set()


@pytest.mark.parametrize("name", ["2022/01/05.log", "2022/01/06", "2022/02", "2022"])
def test_raw_logs_archived_away_keep_counting(first: Path, archive: Path, name: str):
    remove(archive / "raw" / name)
    assert update(archive) == set()
    assert differences(results(archive), results(first)) == []


def test_day_archived_away_counts_when_others_of_its_month_change(archive: Path):
    copy(archive / "raw", archive / "everything")
    (archive / "raw/2022/02/02.log").unlink()
    for raw in ("raw", "everything"):
        add(archive / raw / "2022/02/01.log", line("2022-02-01 09:00", SERVICE, BETA))
    assert update(archive) == CHANGES[add_line]
    assert unlike(foretellable(results(archive)), foretold_of(archive, "everything")) == []


@pytest.mark.parametrize("change", [touch_days, compress_day], ids=named)
def test_same_lines_anew_make_no_month_and_no_dandiset_run(
    first: Path, archive: Path, change: Change
):
    change(archive)
    rules = {job.split()[0] for job in update(archive)}
    assert rules.isdisjoint({"assign", "map", "totals"})
    assert differences(results(archive), results(first)) == []


@pytest.mark.parametrize("seed", [1])
def test_random_changes_end_as_from_scratch(tmp_path: Path, seed: int):
    change_at_random(tmp_path, seed, steps=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_more_random_changes_end_as_from_scratch(tmp_path: Path, seed: int):
    change_at_random(tmp_path, seed, steps=6)


def change_at_random(tmp_path: Path, seed: int, steps: int) -> None:
    """Change a random archive again and again, and hold each result against the oracle."""
    archive = RandomArchive(tmp_path / "archive", seed)
    folder = archive.folder
    update(folder)
    done = []
    for _ in range(steps):
        done.append(archive.change())
        update(folder)
        wanted = foretold_of(folder, "everything")
        assert unlike(foretellable(results(folder)), wanted) == [], done
    wanted = from_scratch(folder, tmp_path / "scratch", raw="everything")
    assert differences(results(folder), wanted) == [], done
    assert update(folder) == set(), done


# --- What goes -----------------------------------------------------------------------------------


EXCLUDE = CONFIG["exclude"]


def test_dandisets_left_out_stay_as_they_were_until_they_are_mapped_again(
    first: Path, archive: Path
):
    configure(archive, restrict_to_dandisets=["000001"])
    assert update(archive) == {"provenance", "reconcile", "publish"}
    add_line(archive)
    assert update(archive) == CHANGES[add_line] - {"map 000002"}
    left = "results/mapped/000002"
    assert differences(tree(archive / left), tree(first / left)) == []
    configure(archive, exclude={**EXCLUDE, "dandisets": ["000001"]})
    assert update(archive) == {"map 000002", "provenance", "reconcile", "publish"}
    configure(archive)
    assert update(archive) == {"provenance", "reconcile", "publish"}
    assert differences(foretellable(results(archive)), foretold_of(archive)) == []


def test_month_without_days_goes_with_all_that_only_it_had(archive: Path, tmp_path: Path):
    for name in ("raw/2022/02", "results/reduced/2022/02"):
        remove(archive / name)
    update(archive)
    assert not (archive / "results/mapped/000002").exists()
    folders = ("lookup", "activity", "mapped", "published")
    wanted = from_scratch(archive, tmp_path / "scratch")
    assert differences(below(results(archive), *folders), below(wanted, *folders)) == []
    assert update(archive) == set()


def test_year_left_out_goes_and_comes_back(first: Path, archive: Path, tmp_path: Path):
    configure(archive, exclude={**EXCLUDE, "years": [2022]})
    update(archive)
    assert [path.name for path in (archive / "results/activity").iterdir()] == ["gathered.json"]
    assert list((archive / "results/mapped").glob("*/")) == []
    # Without any month nothing asks for `lookup/`, so that stays.
    folders = ("activity", "mapped", "published")
    wanted = from_scratch(archive, tmp_path / "scratch")
    assert differences(below(results(archive), *folders), below(wanted, *folders)) == []
    configure(archive)
    rules = {job.split()[0] for job in update(archive)}
    assert rules.isdisjoint({"reduce", "bin", "assign"})
    assert differences(results(archive), results(first)) == []


# --- What is lost comes back ---------------------------------------------------------------------

LOST: dict[tuple[str, ...], set[str]] = {
    ("mapped/000003",): {"map 000003", "reconcile", "publish"},
    ("mapped/archive_totals.json", "mapped/archive_summary_by_day.tsv"): OF_FIGURES,
    ("mapped/region_codes_to_coordinates.yaml",): {"coordinates", "publish"},
    ("lookup/2022-01.parquet", "lookup/2022-02.regions.parquet"): {"route", "gather"},
    ("activity/000001.parquet", "activity/000003.assets.parquet"): {"gather"},
    ("assigned/2022-01.parquet", "assigned/2022-02.labels.parquet"): {
        *("assign 2022-01", "assign 2022-02", "gather")
    },
    ("published/summaries",): {"publish"},
    ("accounting.tsv",): {"accounting", "reconcile", "provenance", "publish"},
}
"""What is lost at the same time, and the jobs that bring it back."""


@pytest.mark.parametrize("names", LOST, ids=lambda names: names[0])
def test_lost_files_come_back(first: Path, archive: Path, names: tuple[str, ...]):
    for name in names:
        remove(archive / "results" / name)
    assert update(archive) == LOST[names]
    assert differences(results(archive), results(first)) == []
    # A checkpoint that wrote files again runs once more: for Snakemake its params changed back.
    assert update(archive) <= {"route", "gather"}
    assert update(archive) == set()


def test_lost_files_that_nothing_is_made_of_come_back_once_something_is(
    archive: Path, tmp_path: Path
):
    for name in ("binned/2022-01.parquet", "dandisets/assets.parquet"):
        remove(archive / "results" / name)
    assert update(archive) == set()
    add_line(archive)
    update(archive)
    assert differences(results(archive), from_scratch(archive, tmp_path / "scratch")) == []


# --- Killed runs ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_leftovers_of_killed_jobs_are_deleted(archive: Path):
    for name in (
        "reduced/2022/02/.01.parquet.99999.part",
        "binned/.2022-02.parquet.99999.part",
        "lookup/..2022-01.parquet.fresh.99999.part",
        "activity/.000002.parquet.fresh",
        "mapped/.000002.part/dandiset_summary_by_day.tsv",
        "mapped/.000001.old/dandiset_totals.json",
        ".published.part/totals.json",
        ".published.old/.totals.json.99999.part",
    ):
        path = archive / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half of so")
    round_otherwise(archive)
    assert update(archive) == {"provenance", "publish"}
    assert [path for path in results(archive) if "/." in f"/{path}"] == []


def test_half_made_dandiset_that_is_now_left_out_is_not_published(archive: Path):
    # Snakemake deletes it when the job begins that makes it anew.
    remove(archive / "results/mapped/000003/dandiset_totals.json")
    configure(archive, exclude={"ips": [], "years": [], "dandisets": ["000003"]})
    assert update(archive) == {"provenance", "reconcile", "publish"}
    names = {path.name for path in (archive / "results/published/summaries").iterdir()}
    assert names == {"000001", "000002", "archive", "undetermined"}


def kill_after(folder: Path, seconds: float) -> None:
    """Start a run and kill it with all its jobs, unless it has ended before."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    process = subprocess.Popen(
        [*command, "--directory", str(folder), "--cores", "2"],
        cwd=folder,
        env=environment(SALT),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def changed(first: Path, tmp_path_factory) -> tuple[Path, float]:
    """The archive changed but not run again, what that leads to, and how long that takes."""
    folder = copy(first, tmp_path_factory.mktemp("changed") / "archive")
    for change in (add_line, add_month, add_delivery, delist):
        change(folder)
    updated = copy(folder, folder.with_name("updated"))
    start = time.monotonic()
    update(updated)
    return folder, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_run_is_completed_by_the_next(
    changed: tuple[Path, float], tmp_path: Path, seed: int
):
    before, duration = changed
    archive = copy(before, tmp_path / "archive")
    rng = Random(seed)
    if rng.random() < 0.3:
        for name in ("results", "cache", ".snakemake"):
            shutil.rmtree(archive / name)
    for _ in range(rng.randrange(1, 4)):
        kill_after(archive, rng.uniform(0.1, 1) * duration)
    update(archive)
    wanted = results(before.with_name("updated"))
    assert differences(results(archive), wanted) == []
    assert update(archive) == set()
