"""Disks that are full or closed, two runs at once, other clocks and locales, logs that grow."""

import gzip
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from _files import AT_WORK, hold, holder, sweep
from _log import UserError, advice
from archive_parts import content_of_name
from faults import Running, ended, needed, only_to_be_read, prepare_example
from incremental import add as add_lines
from incremental import line
from workflow import Tree, copy, differences, results, tree, write_yaml

NEW = content_of_name("blob", "asked for late", 1_234)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the example. Do not change what is in it."""
    folder = prepare_example(tmp_path_factory.mktemp("example") / "folder")
    assert ended(folder).code == 0
    return folder


# --- Disks ---------------------------------------------------------------------------------------


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own at a folder."""
    needed(os.geteuid() == 0, "only root may mount a disk")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    needed(done.returncode == 0, f"no disk can be mounted here: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path, left: int = 0) -> Iterator[None]:
    """Fill the disk of a folder up to some bytes."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - left)
    try:
        yield
    finally:
        ballast.unlink()


STAGES = {
    "reduce": "reduce_all",
    "yearly_accounts": "accounting/2022.tsv",
    "accounting": "accounting.tsv",
    "bin": "bin_all",
    "hash_addresses": "binned/2022-05.hashes.parquet",
    "locate": "lookup/regions.parquet",
    "list_dandisets": "dandisets/listing.json",
    "route": "lookup/routed.json",
    "assign": "assigned/2022-05.parquet",
    "gather": "activity/gathered.json",
    "map": "map_all",
    "totals": "totals",
    "coordinates": "coordinates",
    "provenance": "provenance.json",
    "reconcile": "reconciled.json",
    "publish": "publish",
    "report_usage": "report/usage.html",
    "report_figures": "report/figures/over_time.svg",
    "report_run": "report/run.html",
}
"""Rule -> a target that it makes, in the order of the flow."""


def test_a_disk_that_is_full_at_every_stage(example: Path, tmp_path: Path):
    """Each says so, and goes on when there is space; all comes to what it is without that."""
    folder = prepare_example(tmp_path / "folder")
    with disk(tmp_path / "disk", 32) as small:
        config = yaml.safe_load((folder / "config/config.yaml").read_text())
        write_yaml(folder / "config/config.yaml", config | {"results": f"{small}/results"})
        for rule, target in STAGES.items():
            wanted = f"{small}/results/{target}" if "." in target else target
            with full(small):
                failed = ended(folder, wanted)
            assert failed.code == 1, f"{rule}: {failed.told}"
            assert "No space is left on the disk. Free some and run again" in failed.told, rule
            assert "Traceback" not in failed.told, f"{rule}: {failed.told}"
            went_on = ended(folder, wanted)
            assert went_on.code == 0, f"{rule}: {went_on.told}"
        shutil.rmtree(small / "results/report")
        shutil.copytree(small / "results", folder / "results")
    assert differences(results(folder), results(example)) == []


def test_a_disk_that_is_full_of_everything(example: Path, tmp_path: Path):
    """Snakemake's own records are on it too; each run gets a little further."""
    with disk(tmp_path / "disk", 32) as small:
        folder = prepare_example(small / "folder")
        for left in (0, 20_000, 64_000, 150_000, 256_000):
            with full(small, left):
                failed = ended(folder)
            assert failed.code == 1, f"{left}: {failed.told}"
            assert "No space left" in failed.told or "No space is left" in failed.told, left
        again = ended(folder)
        assert again.code == 0, again.told
        assert differences(results(folder), results(example)) == []


def test_a_disk_that_can_only_be_read(example: Path, tmp_path: Path):
    with disk(tmp_path / "disk", 32) as small:
        folder = copy(example, small / "folder")
        raw = folder / "raw/2022/01/01.log"
        add_lines(raw, line("2022-01-01 12:00", "192.0.2.77", NEW))
        published = tree(folder / "results/published")
        with only_to_be_read(folder / "results"), only_to_be_read(folder / "cache"):
            failed = ended(folder)
            assert failed.code == 1
            assert "Write-protected output files" in failed.told  # Snakemake's words.
            assert "Traceback" not in failed.told
            assert tree(folder / "results/published") == published
            assert "Nothing to be done" in ended(copy(example, tmp_path / "other"), "-n").told
        assert ended(folder).code == 0
        assert differences(results(folder), from_scratch(folder, tmp_path / "fresh")) == []


def from_scratch(folder: Path, to: Path) -> Tree:
    """What a first run makes of the inputs in a folder."""
    to.mkdir()
    for name in ("raw", "services", "config"):
        shutil.copytree(folder / name, to / name)
    for name in ("dandisets.tsv", "regions.mmdb"):
        shutil.copy(folder / name, to)
    end = ended(to)
    assert end.code == 0, end.told
    return results(to)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "a/b"), "a/b: No space is left on the disk. Free"),
        (OSError(30, "Read-only file system"), "The disk can only be read. Make it writable"),
        (ValueError("parquet: underlying: No space left (os error 28)"), "No space is left"),
        (ValueError("anything"), None),
        (OSError(2, "No such file or directory", "a/b"), None),
    ],
)
def test_what_to_do_about_a_disk(error: Exception, told: str | None):
    found = advice(error)
    assert found is None if told is None else found.startswith(told)


# --- Two runs ------------------------------------------------------------------------------------


def test_two_runs_at_once(example: Path, tmp_path: Path):
    """The second one says so and ends; the first one comes to what it would alone."""
    folder = prepare_example(tmp_path / "folder")
    first = Running(folder)
    first.wait_until(lambda: bool(list(folder.glob("results/reduced/*/*/*.json"))))
    second = ended(folder)
    assert second.code == 1
    assert "Another run is at work on results. Wait until it has ended." in second.told
    assert "Finished jobid" not in second.told
    assert first.end().code == 0
    assert differences(results(folder), results(example)) == []


def test_a_plan_that_another_run_made_stale_is_not_carried_out(tmp_path: Path):
    before = holder(tmp_path)
    assert before == ""
    lock = hold(tmp_path, before)
    assert holder(tmp_path) == AT_WORK
    with pytest.raises(UserError, match="Another run is at work"):
        hold(tmp_path, before)
    lock.close()
    with pytest.raises(UserError, match="while this one was planned"):
        hold(tmp_path, before)
    with pytest.raises(UserError, match="while this one was planned"):
        hold(tmp_path, AT_WORK)
    hold(tmp_path, holder(tmp_path)).close()


def test_what_killed_runs_left_is_swept_up(tmp_path: Path):
    kept = [
        "a.parquet",
        ".lock",
        "mapped/000001/.hidden.part",
        "mapped/000001/b.tsv",
        "mapped/x.old",
    ]
    swept = [
        ".a.parquet.17.part",
        ".published.part/totals.json",
        "lookup/.2022-05.parquet.fresh",
        "mapped/.000001.part/000001/b.tsv",
        "mapped/.000001.old/c.tsv",
        "reduced/2022/05/.01.parquet.18.part",
    ]
    for name in (*kept, *swept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sweep(tmp_path, "*", "reduced/*/*")
    assert set(tree(tmp_path)) == set(kept)


# --- A run whose jobs are left alone -------------------------------------------------------------


def test_no_job_outlives_snakemake(tmp_path: Path):
    """As when the kernel kills the largest process to get memory."""
    folder = prepare_example(tmp_path / "folder")
    endless = folder / "raw/2022/05/04.log"
    os.mkfifo(endless)
    running = Running(folder, "results/reduced/2022/05/04.parquet")
    running.wait_until(lambda: bool(list(folder.glob("results/reduced/2022/05/.04.*.part"))))
    try:
        running.process.kill()
        running.end()
    finally:
        with suppress(OSError):  # Nobody reads it, if all is well.
            os.close(os.open(endless, os.O_WRONLY | os.O_NONBLOCK))


# --- Clock and locale ----------------------------------------------------------------------------


def test_the_locale_and_the_time_zone_change_nothing(example: Path, tmp_path: Path):
    """In Turkish `I` and `i` are no pair; in Kolkata it is tomorrow already."""
    needed(Path("/usr/share/i18n/locales/tr_TR").exists(), "there is no locale tr_TR: .ci/packages")
    locales = tmp_path / "locales"
    locales.mkdir()
    subprocess.run(
        ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(locales / "tr_TR.UTF-8")], check=True
    )
    folder = prepare_example(tmp_path / "folder")
    turkish = {"LOCPATH": str(locales), "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"}
    end = ended(folder, TZ="Asia/Kolkata", **turkish)
    assert end.code == 0, end.told
    assert differences(results(folder), results(example)) == []
    assert "Nothing to be done" in ended(folder, "--dry-run").told


# --- Logs that grow ------------------------------------------------------------------------------


def test_raw_logs_that_grow_while_a_run_is_at_work(tmp_path: Path):
    """The next run after it knows them all, however far the first one saw them."""
    folder = prepare_example(tmp_path / "folder")
    raw = folder / "raw"
    running = Running(folder)
    for number in range(1_000):
        late = line(f"2022-05-01 12:{number % 60:02}", f"192.0.2.{number % 250}", NEW)
        with (raw / "2022/05/01.log").open("ab", buffering=0) as file:
            file.write(late[:100])
            time.sleep(0.01)
            file.write(late[100:])
        with (raw / "2021/12/31.log.gz").open("ab") as file:
            file.write(gzip.compress(late))
        (raw / f"2022/05/02/2022-05-02-{number:04}").write_bytes(late)
        if number == 20:
            add_lines(raw / "2022/05/04.log", late)
        if running.process.poll() is not None:
            break
        time.sleep(0.2)
    assert running.end().code in (0, 1)
    assert (raw / "2022/05/04.log").exists()
    again = ended(folder)
    assert again.code == 0, again.told
    assert differences(results(folder), from_scratch(folder, tmp_path / "fresh")) == []
