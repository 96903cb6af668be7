"""The workflow on a real Slurm, and what a plain rerun makes of a run there that was killed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import oracle
import pytest
import slurm_cluster
import yaml
from buckets import bucket_of_example, s3_server
from slurm_cluster import Cluster, Job
from workflow import (
    EXAMPLE,
    ROOT,
    SHIPPED_CONFIG,
    Run,
    below,
    differences,
    environment,
    finds_nothing_to_do,
    output_of,
    results,
    run,
    tree,
    write_yaml,
)

pytestmark = pytest.mark.cluster

PROFILE = ROOT / "profiles/slurm"
SALT = "a salt that only this test has"
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5")
"""Looks often for what has ended; a cluster of many jobs would not be asked so often."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with (
        slurm_cluster.running(tmp_path_factory.mktemp("slurm")) as cluster,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        yield cluster


def submit(directory: Path, *arguments: str, **options) -> Run:
    """Run Snakemake with the profile for Slurm."""
    return run(directory, "--profile", str(PROFILE), *QUICK, *arguments, timeout=900, **options)


def profile() -> dict:
    return yaml.safe_load((PROFILE / "config.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def submitted(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Run, list[Job]]:
    """The example, run on Slurm: where, what it told, and its jobs. Do not change it."""
    before = len(cluster.jobs())
    directory = tmp_path_factory.mktemp("submitted")
    sizes = ("days=4", "months=8", "assigned=8", "dandisets=50")
    result = submit(
        directory, "--slurm-keep-successful-logs", "--group-components", *sizes, salt=SALT
    )
    return directory, result, cluster.jobs()[before:]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, run on this machine. Do not change it."""
    directory = tmp_path_factory.mktemp("local")
    run(directory, salt=SALT)
    return directory


def test_a_run_on_slurm_makes_the_bytes_of_a_local_one(submitted, local: Path):
    directory, _, _ = submitted
    one, other = results(directory), results(local)
    assert {"reduced", "binned", "assigned", "mapped", "published"} <= {
        name.split("/")[0] for name in one
    }
    assert differences(one, other) == []
    assert finds_nothing_to_do(directory, salt=SALT)


def test_jobs_on_slurm_fetch_their_days_from_s3(cluster: Cluster, local: Path, tmp_path: Path):
    before = len(cluster.jobs())
    with s3_server() as server, bucket_of_example(server) as bucket:
        config = write_yaml(tmp_path / "config.yaml", bucket.config())
        submit(tmp_path, "reduce_all", config=config, salt=SALT)
        assert bucket.asked["GET"] == len(tree(EXAMPLE / "raw"))
    assert [job.comment for job in cluster.jobs()[before:]] == ["rule_days_reduce"]
    made = below(results(tmp_path), "reduced")
    assert differences(made, below(results(local), "reduced")) == []


def test_small_jobs_share_one_of_slurm(submitted):
    _, _, jobs = submitted
    assert {job.state for job in jobs} == {"COMPLETED"}
    rules = Counter(re.sub("_wildcards.*", "", job.comment) for job in jobs)
    assert rules.pop("rule_days_reduce") == 2  # Of four days and of three.
    assert set(rules.values()) == {1}
    assert len(rules) + 1 == len({*profile()["group-components"], "route", "gather"})


def test_every_job_that_is_submitted_says_what_it_needs(submitted):
    """Also one of a new rule: either it says that it is local, or how long it takes."""
    _, result, _ = submitted
    jobs = re.findall(
        r"^( *)(?:rule|checkpoint) (\w+):\n((?:\1 {4}.*\n)+)", output_of(result), re.MULTILINE
    )
    told = {rule: re.findall(r"(\w+)=[0-9]+", block) for _, rule, block in jobs}
    assert {"reduce", "bin", "hash_addresses", "route", "assign", "gather", "map"} <= told.keys()
    assert [rule for rule, names in told.items() if not {"mem_mb", "runtime"} <= {*names}] == []


def test_the_logs_of_slurm_hold_no_address_and_no_salt(submitted):
    directory, result, jobs = submitted
    private = directory / ".snakemake"
    assert private.stat().st_mode & 0o777 == 0o700
    logs = tree(private / "slurm_logs")
    assert len(logs) == len(jobs)
    told = b"\n".join([*logs.values(), *tree(private / "log").values(), output_of(result).encode()])
    assert SALT.encode() not in told
    addresses = {
        request.ip_address
        for _, path in oracle.days(EXAMPLE / "raw")
        for line in oracle.read_day(path)
        if (request := oracle.classify(line, operation="REST.GET.OBJECT", excluded=())[1])
    }
    words = set(re.split(rb"[^0-9A-Fa-f:.]+", told))
    assert addresses
    assert words.isdisjoint(address.encode() for address in addresses)


def one_day(directory: Path) -> Path:
    """A configuration for a single day of the example."""
    day = directory / "raw/2022/05"
    day.mkdir(parents=True)
    shutil.copy(EXAMPLE / "raw/2022/05/01.log", day)
    shipped = yaml.safe_load(SHIPPED_CONFIG.read_text("utf-8"))
    return write_yaml(directory / "config.yaml", shipped | {"raw_logs": str(directory / "raw")})


def test_a_job_that_is_killed_for_its_memory_gets_more(cluster: Cluster, tmp_path: Path):
    before = len(cluster.jobs())
    result = submit(
        tmp_path,
        "reduce_all",
        *("--set-resources", "reduce:mem_mb=[0, 30, 2000][attempt]"),
        config=one_day(tmp_path),
    )
    first, second = cluster.jobs()[before:]
    assert (first.state == "COMPLETED", first.memory) == (False, "30M")
    assert (second.state, second.memory) == ("COMPLETED", "2000M")
    assert "memory limit" in output_of(result) or first.state in ("FAILED", "OUT_OF_MEMORY")


def test_a_bad_day_holds_up_others_once_at_most(cluster: Cluster, tmp_path: Path):
    config = one_day(tmp_path)
    (tmp_path / "raw/2022/05/02.log.gz").write_bytes(b"this is no gzip")
    before = len(cluster.jobs())
    for _ in range(2):
        result = submit(tmp_path, "reduce_all", "--retries", "0", config=config, fails=True)
        assert "02.log.gz cannot be decompressed to its end" in output_of(result)
        assert not (tmp_path / "results/reduced/2022/05/02.parquet").exists()
    assert (tmp_path / "results/reduced/2022/05/01.parquet").exists()
    comments = [job.comment.removeprefix("rule_") for job in cluster.jobs()[before:]]
    assert comments[0] == "days_reduce"
    assert len(comments) == 3


def test_a_killed_run_is_completed_by_a_plain_one(cluster: Cluster, local: Path, tmp_path: Path):
    before = len(cluster.jobs())
    killed = subprocess.Popen(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(tmp_path), "--profile", str(PROFILE), *QUICK, "bin_all"),
        ],
        cwd=tmp_path,
        env=environment(SALT),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while not any((tmp_path / "results/reduced").rglob("*.parquet")):
        assert time.monotonic() < until, "The run does not begin."
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (orphan,) = cluster.jobs()[before:]
    assert orphan.state == "RUNNING"

    result = run(tmp_path, "bin_all", salt=SALT)
    assert "Cancelled 1 Slurm jobs that a killed run had left at work." in output_of(result)
    assert next(job for job in cluster.jobs() if job.number == orphan.number).state == "CANCELLED"
    made = below(results(tmp_path), "reduced", "binned")
    right = {name: data for name, data in results(local).items() if name in made}
    assert len(made) == len(right)
    assert differences(made, right) == []
    assert finds_nothing_to_do_for("bin_all", tmp_path)


def finds_nothing_to_do_for(target: str, directory: Path) -> bool:
    return "Nothing to be done" in output_of(run(directory, target, "--dry-run", salt=SALT))
