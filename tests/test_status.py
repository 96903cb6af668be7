"""`snakemake status`: what it tells of results of any kind, and its alarm."""

import datetime as dt
import fcntl
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import oracle
import polars as pl
import pytest
import status
import yaml
from _tables import REGIONS_BY_HASH
from faults import only_to_be_read, prepare_example
from workflow import GOLDEN, SHIPPED_CONFIG, Run, copy, jobs_of, output_of, run, tree, write_yaml

DAYS = [
    *("2021-12-30", "2021-12-31", "2022-01-01", "2022-01-20"),
    *("2022-05-01", "2022-05-02", "2022-05-03"),
]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the example. Do not change what is in it."""
    folder = prepare_example(tmp_path_factory.mktemp("example"))
    run(folder)
    return folder


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results/status.json").read_text())


def apart_from_status(folder: Path) -> dict[str, bytes]:
    """All files of the results, but what a look at their status makes."""
    files = tree(folder / "results")
    return {name: data for name, data in files.items() if name != "status.json"}


def squeezed(result: Run) -> str:
    """What a run told, with one space where there are several."""
    return re.sub(" +", " ", output_of(result))


def days_since(day: str) -> int:
    return (dt.datetime.now(dt.UTC).date() - dt.date.fromisoformat(day)).days


def test_the_status_of_the_example(example: Path, tmp_path: Path):
    folder = copy(example, tmp_path)
    before = apart_from_status(folder)
    result = run(folder, "status")
    assert jobs_of(result) == {"status": 1}
    assert apart_from_status(folder) == before
    found = told(folder)

    assert (found["days"], found["oldest_day"], found["newest_day"]) == (7, DAYS[0], DAYS[-1])
    assert found["lag_days"] == found["published_lag_days"] == days_since(DAYS[-1])
    assert found["published_newest_day"] == DAYS[-1]
    assert len(found["missing_days"]) == 118
    assert not {*found["missing_days"]} & {*DAYS}
    assert found["waiting_days"] == []

    counts = Counter()
    config = yaml.safe_load(SHIPPED_CONFIG.read_text()) | {"raw_logs": str(folder / "raw")}
    for of_day, _ in oracle.expected_reduced(config).values():
        counts.update(of_day)
    assert found["lines"] == dict(counts)
    assert found["malformed_share"] == round(counts["malformed"] / counts["lines"], 6)

    archive = json.loads((GOLDEN / "mapped/archive_totals.json").read_text())
    of_none = json.loads((GOLDEN / "mapped/all_dandiset_totals.json").read_text())["undetermined"]
    for name, part in found["undetermined_share"].items():
        total = f"total_{name}"
        assert part == round(of_none[total] / archive[total], 6) > 0
    assert set(found["undetermined_share"]) == {"bytes_sent", "number_of_requests"}
    assert found["undetermined_region_share"] == {"bytes_sent": 0, "number_of_requests": 0}
    assert found["addresses_waiting"] == 0
    assert (found["listing_date"], found["listing_age_days"]) == (
        "2022-05-02",
        days_since("2022-05-02"),
    )
    assert (found["stale"], found["at_work"], found["max_lag_days"]) == (False, False, None)

    text = squeezed(result)
    assert f"7 reduced, 2021-12-30 to 2022-05-03, {days_since(DAYS[-1]):,} days ago\n" in text
    assert "Missing 118: 2022-01-02 to 2022-01-19, 2022-01-21 to 2022-04-30\n" in text
    assert f" kept {counts['kept']}\n" in text


def test_stale_results_end_with_an_error(example: Path, tmp_path: Path):
    folder = copy(example, tmp_path)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    lag = days_since(DAYS[-1])
    write_yaml(folder / "config/config.yaml", config | {"status": {"max_lag_days": lag - 1}})
    result = run(folder, "status", fails=True)
    assert f"the newest day that is reduced is {lag:,} days ago" in output_of(result)
    assert told(folder)["stale"]
    # One more: a run after midnight is a day later than this test's beginning.
    write_yaml(folder / "config/config.yaml", config | {"status": {"max_lag_days": lag + 1}})
    run(folder, "status")
    assert not told(folder)["stale"]


def test_a_look_at_nothing_starts_nothing(tmp_path: Path):
    result = run(tmp_path, "status")
    assert jobs_of(result) == {"status": 1}
    assert set(tree(tmp_path / "results")) == {"status.json"}
    found = told(tmp_path)
    assert (found["days"], found["newest_day"], found["lag_days"]) == (0, None, None)
    assert found["waiting_days"] == DAYS
    assert "Days none yet\n" in squeezed(result)


def test_results_that_can_only_be_read(example: Path, tmp_path: Path):
    folder = copy(example, tmp_path)
    with only_to_be_read(folder / "results"):
        result = run(folder, "status", fails=True)
    assert "Days 7 reduced" in squeezed(result)
    assert "status.json" in output_of(result)
    assert "The disk can only be read. Make it writable" in output_of(result)
    assert "Traceback" not in output_of(result)
    assert not (folder / "results/status.json").exists()


@pytest.mark.parametrize("arguments", [("status",), ("reduce_all", "--dry-run"), ()])
def test_why_it_cannot_be_told_is_said_even_quietly(tmp_path: Path, arguments: tuple[str, ...]):
    config = yaml.safe_load(SHIPPED_CONFIG.read_text()) | {"raw_logs": "/nowhere"}
    result = run(tmp_path, *arguments, "--quiet", "all", config=config, fails=True)
    assert output_of(result).count("there is no folder /nowhere") == 1


def test_a_quiet_alarm_is_told_once(example: Path, tmp_path: Path):
    folder = copy(example, tmp_path)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    write_yaml(folder / "config/config.yaml", config | {"status": {"max_lag_days": 0}})
    result = run(folder, "status", "--quiet", "all", fails=True)
    assert result.stderr.splitlines()[1:] == [
        f"Stale: the newest day that is reduced is {days_since(DAYS[-1]):,} days ago, and "
        "status.max_lag_days is 0."
    ]


def test_half_done_results_while_a_run_is_at_work(example: Path, tmp_path: Path):
    folder = copy(example, tmp_path)
    for name in ("published", "mapped", "lookup", "dandisets"):
        shutil.rmtree(folder / "results" / name)
    (folder / "results/reduced/2022/05/03.parquet").unlink()
    with (folder / "results/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run(folder, "status")
    found = told(folder)
    assert found["at_work"]
    assert "A run is at work" in output_of(result)
    assert (found["days"], found["newest_day"]) == (6, "2022-05-02")
    assert found["waiting_days"] == ["2022-05-03"]
    assert found["published_newest_day"] is found["listing_date"] is None
    assert found["undetermined_share"] == {"bytes_sent": None, "number_of_requests": None}
    assert found["addresses_waiting"] == 0  # As the cache says.


# --- Its parts -----------------------------------------------------------------------------------


def look(folder: Path, **arguments: Any) -> dict[str, Any]:
    options = {"raw_days": [], "reduced_days": [], "source": "snapshot", **arguments}
    return status.look(folder / "results", folder / "cache", **options)


def test_addresses_without_a_region_wait(tmp_path: Path):
    (tmp_path / "results/lookup").mkdir(parents=True)
    regions = ["US/California", "undetermined", "undetermined", "VPN"]
    pl.DataFrame(
        {"hash": [bytes([number]) for number in range(4)], "region": regions},
        schema=REGIONS_BY_HASH,
    ).write_parquet(tmp_path / "results/lookup/regions.parquet")
    assert look(tmp_path)["addresses_waiting"] == 2


def test_the_listing_of_the_api_is_as_old_as_its_last_whole_reading(tmp_path: Path):
    (tmp_path / "results/dandisets").mkdir(parents=True)
    day = dt.datetime.now(dt.UTC) - dt.timedelta(12)
    fetched = {"tried": "2026-01-01T00:00:00Z", "refreshed": f"{day:%Y-%m-%d}T05:06:35Z"}
    (tmp_path / "results/dandisets/fetched.json").write_text(json.dumps(fetched))
    assert look(tmp_path, source="api")["listing_age_days"] in (12, 13)


def test_what_was_archived_away_is_neither_missing_nor_waiting(tmp_path: Path):
    reduced = ["2022-01-01", "2022-01-02", "2022-01-05"]
    found = look(
        tmp_path, raw_days=["2022-01-04", "2022-01-05", "2022-01-06"], reduced_days=reduced
    )
    assert found["missing_days"] == ["2022-01-03"]
    assert found["waiting_days"] == ["2022-01-04", "2022-01-06"]
    assert found["newest_day"] == "2022-01-05"


@pytest.mark.parametrize(
    ("lags", "most", "stale"),
    [
        ((3, 3), None, None),
        ((None, None), None, None),
        ((3, 3), 3, None),
        ((4, 3), 3, "reduced is 4 days ago"),
        ((3, 4), 3, "published is 4 days ago"),
        ((None, None), 3, "no day is reduced yet"),
        ((3, None), 3, "no day is published yet"),
    ],
)
def test_staleness(lags: tuple[int | None, int | None], most: int | None, stale: str | None):
    found = status.staleness(dict(zip(("lag_days", "published_lag_days"), lags, strict=True)), most)
    assert found is None if stale is None else stale in found


def test_many_gaps_are_not_all_printed():
    days = [f"2022-01-{day:02}" for day in (1, 2, 4, 6, 7, 8, 10, 12)]
    text = "8: 2022-01-01 to 2022-01-02, 2022-01-04, 2022-01-06 to 2022-01-08 and 2 more times"
    assert status.listed(days) == text
