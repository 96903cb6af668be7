"""Raw logs in S3: the same figures as from a folder, by few requests. The S3 server is moto's."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buckets import RAW_LOGS, Bucket, bucket_of_example, s3_server
from servers import serving
from workflow import (
    EXAMPLE,
    Run,
    below,
    differences,
    finds_nothing_to_do,
    jobs_of,
    output_of,
    results,
    run,
    tree,
)

pytestmark = pytest.mark.cluster

SALT = "a salt"
DEFAULTS = {"tries": 2, "relist_days": 14, "list_all_days": 30}


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(server: Bucket) -> Iterator[Bucket]:
    """A bucket with the raw logs of the example."""
    with bucket_of_example(server) as bucket:
        yield bucket


def planned(directory: Path, config: dict[str, Any]) -> Run:
    return run(directory, "reduce_all", "--dry-run", config=config, salt=SALT)


def test_a_run_on_a_bucket_makes_the_bytes_of_one_on_a_folder(
    bucket: Bucket, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    local = tmp_path_factory.mktemp("local")
    run(local, salt=SALT)
    plan = planned(tmp_path, bucket.config())
    assert jobs_of(plan)["reduce"] == 7
    assert f"{RAW_LOGS}/2021/12/31.log.gz" in output_of(plan)
    assert not (tmp_path / "cache").exists()

    result = run(tmp_path, config=bucket.config(), salt=SALT)
    made = results(tmp_path)
    assert jobs_of(result)["reduce"] == 7
    without = {"provenance.json", "published/provenance.json"}
    differing = set(differences(made, results(local))) - without
    assert differing == set()
    assert finds_nothing_to_do(tmp_path, config=bucket.config(), salt=SALT)


def test_nothing_of_a_bucket_is_kept(bucket: Bucket, tmp_path: Path):
    run(tmp_path, "reduce_all", config=bucket.config(), salt=SALT)
    raw = set(tree(EXAMPLE / "raw").values())
    assert [name for name, content in tree(tmp_path).items() if content in raw] == []
    assert not list(tmp_path.rglob("*.part"))
    assert bucket.asked["GET"] == len(tree(EXAMPLE / "raw"))


def test_a_changed_object_has_exactly_its_day_reduced_again(bucket: Bucket, tmp_path: Path):
    config = bucket.config(relist_days=1000)
    run(tmp_path, "reduce_all", config=config, salt=SALT)
    before = below(results(tmp_path), "reduced")

    folder = "2022/05/02"
    late = (EXAMPLE / "raw/2022/05/01.log").read_bytes().splitlines(keepends=True)[0]
    bucket.put(f"{folder}/2022-05-02-23-59-59-FFFFFFFFFFFFFFFF", late)
    assert jobs_of(planned(tmp_path, config))["reduce"] == 1
    run(tmp_path, "reduce_all", config=config, salt=SALT)
    changed = differences(before, below(results(tmp_path), "reduced"))
    assert {name.split(".")[0] for name in changed} == {f"reduced/{folder}"}

    bucket.put("2022/01/01.log", (EXAMPLE / "raw/2022/01/01.log").read_bytes())
    planned_again = run(tmp_path, "reduce_all", "--dry-run", config=config, salt=SALT)
    assert "Nothing to be done" in output_of(planned_again)


def test_a_day_that_left_the_bucket_keeps_counting(bucket: Bucket, tmp_path: Path):
    config = bucket.config(list_all_days=0)
    run(tmp_path, "reduce_all", config=config, salt=SALT)
    bucket.delete("2021/12/30.log")
    result = run(tmp_path, "reduce_all", "--dry-run", config=config, salt=SALT)
    assert "Nothing to be done" in output_of(result)
    assert (tmp_path / "results/reduced/2021/12/30.parquet").exists()


def test_a_night_lists_only_what_may_be_new(bucket: Bucket, tmp_path: Path):
    old = EXAMPLE / "raw/2022/01/01.log"
    for number in range(1, 6):
        bucket.put(f"2018/01/{number:02}.log", old.read_bytes())
    today = dt.datetime.now(dt.UTC).date()
    yesterday = today - dt.timedelta(1)
    bucket.put(f"{yesterday:%Y/%m/%d}.log", old.read_bytes())
    run(tmp_path, "reduce_all", config=bucket.config(), salt=SALT)
    bucket.asked.clear()

    # An old day that changed is noticed when the whole bucket is listed the next time.
    bucket.put("2018/01/01.log", old.read_bytes() * 2)
    bucket.put(f"{today:%Y/%m/%d}.log", old.read_bytes())
    result = run(tmp_path, "reduce_all", config=bucket.config(), salt=SALT)
    assert jobs_of(result)["reduce"] == 1
    months = len({(day.year, day.month) for day in (today, yesterday - dt.timedelta(14))})
    # One more tells the plugin, in the job, that the object is no folder.
    assert bucket.asked == {"LIST": months + 1, "GET": 1}
    assert jobs_of(planned(tmp_path, bucket.config(list_all_days=0)))["reduce"] == 1


def test_a_folder_of_more_objects_than_one_list_holds(bucket: Bucket, tmp_path: Path):
    from _object_store import list_days

    for number in range(1003):
        bucket.put(f"2022/06/01/{number:04}", b"x")
    listing = list_days(RAW_LOGS, DEFAULTS | {"endpoint_url": bucket.url}, tmp_path)
    assert max(listing.days.values()).bytes == 1003
    assert len(listing.days) == 8


def test_what_is_no_day_is_named_and_left_out(bucket: Bucket, tmp_path: Path):
    for name in ("2022/13/01.log", "2022/05/01.log.bak", "2022/05/.hidden.log", "README"):
        bucket.put(name, b"")
    told = output_of(planned(tmp_path, bucket.config()))
    strays = [line.rpartition(": ")[2] for line in told.splitlines() if "is no date" in line]
    assert strays == [f"{RAW_LOGS}/2022/05/01.log.bak", f"{RAW_LOGS}/2022/13/01.log"]


# --- What can go wrong ---------------------------------------------------------------------------


def refused(directory: Path, config: dict[str, Any]) -> str:
    return output_of(run(directory, "reduce_all", config=config, salt=SALT, fails=True))


def test_a_day_that_is_there_twice_is_refused(bucket: Bucket, tmp_path: Path):
    bucket.put("2022/05/01.log.gz", b"")
    assert "are the same day. Leave one of them in the bucket." in refused(
        tmp_path, bucket.config()
    )


def test_a_key_that_would_leave_its_folder_is_refused(bucket: Bucket, tmp_path: Path):
    bucket.put("2022/05/02/../../../../config.yaml", b"")
    assert "would leave its folder" in refused(tmp_path, bucket.config())


def test_a_bucket_that_is_not_there_is_named(server: Bucket, tmp_path: Path):
    told = refused(tmp_path, server.config())
    assert f"There is no bucket of {RAW_LOGS} at {server.url}. Check raw_logs." in told


def test_missing_credentials_are_named(
    server: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert f"There are no credentials for {RAW_LOGS}." in refused(tmp_path, server.config())


def test_a_server_that_is_not_there_is_named(server: Bucket, tmp_path: Path):
    config = server.config(endpoint_url="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in refused(tmp_path, config)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "The credentials for s3://raw-logs/of/dandi have expired. Renew them"),
        (403, "does not let these credentials read"),
        (429, "Run again later."),
        (503, "answered SlowDown"),
    ],
)
def test_a_server_that_refuses_is_asked_again_and_told_of(
    server: Bucket, tmp_path: Path, status: int, told: str
):
    codes = {400: "ExpiredToken", 403: "AccessDenied", 429: "TooManyRequests", 503: "SlowDown"}
    body = f"<Error><Code>{codes[status]}</Code><Message>no</Message></Error>".encode()
    with serving(lambda _: (status, body)) as refusing:
        assert told in refused(tmp_path, server.config(endpoint_url=refusing.url))
    assert len(refusing.asked) == (1 if status in (400, 403) else 2)


def test_a_bucket_needs_a_name(server: Bucket, tmp_path: Path):
    config = server.config() | {"raw_logs": "s3://Not_A_Bucket/x"}
    assert "is not of the form s3://bucket/prefix" in refused(tmp_path, config)


def test_a_day_that_changes_while_it_is_fetched_is_refused(bucket: Bucket, tmp_path: Path):
    from _log import UserError
    from _object_store import at_hand, list_days

    settings = DEFAULTS | {"endpoint_url": bucket.url}
    day = next(iter(list_days(RAW_LOGS, settings, tmp_path).days.values()))
    bucket.put(day.url.removeprefix(f"{RAW_LOGS}/"), b"shorter\n")
    folder = tmp_path / "day"
    folder.mkdir()
    (folder / "left by a killed job").touch()
    with pytest.raises(UserError, match="has changed since"), at_hand(day, settings, folder):
        pass
    assert not folder.exists()
    shutil.rmtree(tmp_path)
