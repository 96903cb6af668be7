"""The whole workflow, run as its users run it, on the bundled example and on random archives."""

import gzip
import hashlib
import hmac
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import oracle
import polars as pl
import pytest
import simulate
import yaml
from workflow import (
    EXAMPLE,
    GOLDEN,
    PRIVATE,
    SHIPPED_CONFIG,
    Run,
    below,
    copy,
    differences,
    finds_nothing_to_do,
    foretellable,
    foretold,
    jobs_of,
    logs_of,
    output_of,
    results,
    run,
    tree,
    unlike,
)

ONCE = {
    "accounting",
    "locate",
    "list_dandisets",
    "route",
    "gather",
    "totals",
    "reconcile",
    "coordinates",
    "provenance",
}
DANDISETS = ("000001", "000003", "000026", "000108", "000233", "000487", "undetermined")
JOBS = Counter(
    {
        **dict.fromkeys((*ONCE, "publish", "provenance", "all"), 1),
        **{
            "reduce": 7,
            "yearly_accounts": 2,
            "bin": 3,
            "hash_addresses": 3,
            "assign": 3,
            "map": len(DANDISETS),
        },
    }
)
"""What it takes to make everything of the example: seven days, three months, six Dandisets."""


def shipped_config(**changes: Any) -> dict[str, Any]:
    """The shipped configuration, with some of its keys changed."""
    return yaml.safe_load(SHIPPED_CONFIG.read_text("utf-8")) | changes


def lines_of_example() -> list[bytes]:
    """All lines of the example's raw logs."""
    return [line for _, path in oracle.days(EXAMPLE / "raw") for line in oracle.read_day(path)]


@dataclass(frozen=True)
class Done:
    """A run that is over: its directory and what it told."""

    directory: Path
    result: Run

    @property
    def results(self) -> Path:
        return self.directory / "results"

    @property
    def salt(self) -> str:
        return (self.directory / "cache/salt").read_text().strip()

    def table(self, name: str) -> pl.DataFrame:
        """A summary, all of whose columns but the first are numbers."""
        table = pl.read_csv(self.results / name, separator="\t", quote_char=None)
        return table.with_columns(pl.col(table.columns[0]).cast(pl.String))

    def totals(self, name: str) -> dict[str, Any]:
        return json.loads((self.results / name).read_text())


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The shipped configuration, run in a directory of its own. Do not change what is in it."""
    directory = tmp_path_factory.mktemp("example")
    return Done(directory, run(directory))


@pytest.fixture
def again(example: Done, tmp_path: Path) -> Path:
    """A copy of the directory of the example's run, to go on in."""
    return copy(example.directory, tmp_path)


# --- What a run makes ----------------------------------------------------------------------------


def test_the_example_makes_the_golden_tree(example: Done):
    """If a change of these files is meant: `make golden`, and look at the difference."""
    made = below(results(example.directory), "mapped", "published")
    del made["published/provenance.json"]
    assert differences(made, tree(GOLDEN)) == []


def test_the_example_is_what_the_oracle_says(example: Done):
    right = foretold(shipped_config())
    assert unlike(foretellable(results(example.directory)), right) == []


def test_the_golden_tree_is_what_the_oracle_says():
    assert unlike(foretellable(tree(GOLDEN)), foretold(shipped_config())) == []


def test_the_reduced_days_are_what_the_oracle_says(example: Done):
    for day, (counts, requests) in oracle.expected_reduced(
        shipped_config(raw_logs=str(EXAMPLE / "raw"))
    ).items():
        stem = example.results / "reduced" / "/".join(day)
        assert json.loads(stem.with_suffix(".json").read_text()) == counts
        assert pl.read_parquet(stem.with_suffix(".parquet")).rows() == [tuple(r) for r in requests]
        assert stem.with_suffix(".malformed").exists() == bool(counts["malformed"])


def test_every_job_runs_once_and_a_second_run_has_nothing_to_do(example: Done):
    assert jobs_of(example.result) == JOBS
    assert finds_nothing_to_do(example.directory)


def test_nothing_is_left_of_the_making(example: Done):
    assert [name for name in tree(example.results) if "/." in name or ".part" in name] == []


@pytest.fixture(scope="module")
def elsewhere(example: Done, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The same inputs in a folder of their own, the salt in the environment. Do not change it."""
    directory = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(EXAMPLE, directory / "tests/example")
    return Done(directory, run(directory, config=shipped_config(), salt=example.salt))


def test_two_runs_make_the_same_bytes(example: Done, elsewhere: Done):
    one, other = results(example.directory), results(elsewhere.directory)
    assert set(PRIVATE) | {"assigned", "activity", "dandisets", "mapped"} <= {
        name.split("/")[0] for name in one
    }
    assert differences(one, other) == []
    name = "cache/regions.parquet"
    assert (elsewhere.directory / name).read_bytes() == (example.directory / name).read_bytes()


def test_a_salt_in_the_environment_is_kept_nowhere(example: Done, elsewhere: Done):
    salt = re.compile(re.escape(example.salt).encode())
    told = output_of(elsewhere.result).encode()
    found = [name for name, data in tree(elsewhere.directory).items() if salt.search(data)]
    assert (found, salt.search(told)) == ([], None)
    assert not salt.search(output_of(example.result).encode())


# --- The figures add up --------------------------------------------------------------------------

COUNTS = ("bytes_sent", "number_of_requests", "number_of_downloads")


@pytest.fixture(scope="module")
def kept() -> list[oracle.Request]:
    """The requests of the example that count, read line by line."""
    classified = (
        oracle.classify(line, operation="REST.GET.OBJECT", excluded=())
        for line in lines_of_example()
    )
    return [request for _, request in classified if request]


def test_every_line_is_accounted_for(example: Done, kept: list[oracle.Request]):
    accounting = example.table("accounting.tsv")
    lines = lines_of_example()
    assert accounting["lines"].sum() == len(lines)
    assert accounting["kept"].sum() == len(kept)
    classes = accounting.select(oracle.CLASSES)
    assert classes.sum_horizontal().to_list() == accounting["lines"].to_list()
    shares = accounting.select(f"{name}_share" for name in oracle.CLASSES)
    assert all(abs(share - 1) < 1e-5 for share in shares.sum_horizontal())
    assert accounting["date"].to_list() == [
        "-".join(day) for day, _ in oracle.days(EXAMPLE / "raw")
    ]


def test_every_kept_line_is_a_request_of_the_archive(example: Done, kept: list[oracle.Request]):
    totals = example.totals("mapped/archive_totals.json")
    assert totals["total_number_of_requests"] == len(kept)
    assert totals["total_bytes_sent"] == sum(request.bytes_sent for request in kept)
    assert totals["total_number_of_downloads"] == sum(request.status == 200 for request in kept)
    assert totals["number_of_requesters"] == len({request.ip_address for request in kept})


def test_every_day_of_the_archive_is_the_sum_of_its_lines(
    example: Done, kept: list[oracle.Request]
):
    days = defaultdict(lambda: [0, 0, 0])
    for request in kept:
        figures = (request.bytes_sent, 1, int(request.status == 200))
        day = days[f"{request.timestamp:%Y-%m-%d}"]
        day[:] = (have + more for have, more in zip(day, figures, strict=True))
    rows = [(date, *figures) for date, figures in sorted(days.items())]
    assert example.table("mapped/archive_summary_by_day.tsv").rows() == rows


@pytest.mark.parametrize(("kind", "label"), [("day", "date"), ("region", "region")])
def test_the_archive_is_the_sum_of_its_dandisets(example: Done, kind: str, label: str):
    tables = [
        example.table(f"mapped/{dandiset}/dandiset_summary_by_{kind}.tsv") for dandiset in DANDISETS
    ]
    summed = pl.concat(tables).group_by(label).agg(pl.col(COUNTS).sum()).sort(label)
    archive = example.table(f"mapped/archive_summary_by_{kind}.tsv").sort(label)
    assert summed.rows() == archive.rows()


def test_the_totals_are_the_sums_of_the_summaries(example: Done):
    totals = example.totals("mapped/all_dandiset_totals.json")
    assert tuple(totals) == DANDISETS
    archive = example.totals("mapped/archive_totals.json")
    for name in ("total_bytes_sent", "total_number_of_requests", "total_number_of_downloads"):
        assert sum(of_one[name] for of_one in totals.values()) == archive[name]
    for dandiset, of_one in totals.items():
        assert example.totals(f"mapped/{dandiset}/dandiset_totals.json") == of_one
        for column in COUNTS:
            assert of_one[f"total_{column}"] == sum(
                of_kind[column] for of_kind in of_one["by_kind_of_requester"].values()
            )
        kinds = ("day", "region") if dandiset == "undetermined" else ("day", "region", "asset")
        for kind in kinds:
            table = example.table(f"mapped/{dandiset}/dandiset_summary_by_{kind}.tsv")
            assert table.select(COUNTS).sum().row(0) == tuple(
                of_one[f"total_{column}"] for column in COUNTS
            )


def test_the_weeks_are_the_sums_of_the_days(example: Done):
    for folder in [*(f"{dandiset}/dandiset" for dandiset in DANDISETS), "archive"]:
        weeks = example.table(f"mapped/{folder}_summary_by_asset_type_per_week.tsv")
        days = example.table(f"mapped/{folder}_summary_by_day.tsv")
        monday = pl.col("date").str.to_date().dt.truncate("1w").cast(pl.String)
        summed = days.group_by(monday).agg(pl.col("bytes_sent").sum()).sort("date")
        in_all = weeks.select("week_start", pl.sum_horizontal(pl.exclude("week_start")))
        assert in_all.rows() == summed.rows()


def test_a_log_holds_all_requests_of_its_asset(example: Done):
    for summary in sorted(example.results.glob("mapped/*/*/version_summary_by_asset.tsv")):
        rows = example.table(str(summary.relative_to(example.results))).iter_rows(named=True)
        for row in rows:
            log = pl.read_csv(summary.parent / f"{row['asset_path']}.tsv", separator="\t")
            assert log.columns == ["timestamp", "bytes_sent", "region"]
            assert log["timestamp"].is_sorted()
            assert len(log) == row["number_of_requests"]
            assert log["bytes_sent"].sum() == row["bytes_sent"]


def test_what_is_published_has_a_row_in_every_file_and_all_files_of_every_name(example: Done):
    folder = example.results / "published"
    for name in (*example.totals("published/totals.json"), "archive"):
        kinds = {"by_day", "by_region", "by_asset_type_per_week"}
        kinds |= set() if name in ("archive", "undetermined") else {"by_asset"}
        paths = sorted((folder / "summaries" / name).iterdir())
        assert {path.stem for path in paths} == kinds
        for path in paths:
            header, *rows = path.read_text("utf-8").removesuffix("\n").split("\n")
            assert rows
            assert all(re.match(r"[^\t]+\t[0-9]+(\t|$)", row) for row in rows)
            assert {row.count("\t") for row in rows} == {header.count("\t")}
    assert len(list((folder / "summaries").iterdir())) == len(DANDISETS) + 1


# --- Privacy -------------------------------------------------------------------------------------


def addresses_of_example() -> set[str]:
    """Every address in the raw logs, also of lines that do not count."""
    tokens = {
        token.decode("utf-8", "replace")
        for line in lines_of_example()
        for token in line.split(b" ")
    }
    found = {token for token in tokens if oracle.parse_address(token)}
    assert len(found) > 50
    return found


def traces_of(address: str, salt: str) -> Iterator[bytes]:
    """An address, and its hash in every form in which somebody may write it."""
    digest = hmac.digest(salt.encode(), address.encode(), "sha256")
    yield from (address.encode(), digest, digest.hex().encode(), digest.hex().upper().encode())
    yield from (hashlib.new(name, address.encode()).digest() for name in ("sha256", "sha1", "md5"))
    yield from (
        hashlib.new(name, address.encode()).hexdigest().encode()
        for name in ("sha256", "sha1", "md5")
    )


def texts_of_parquet(path: Path) -> bytes:
    """All texts and bytes in a Parquet file, also those in lists."""
    table = pl.read_parquet(path)
    parts = [" ".join(table.columns).encode()]
    for column in table.iter_columns():
        flat = column.explode() if isinstance(column.dtype, pl.List) else column
        if flat.dtype in (pl.String, pl.Categorical):
            parts += [value.encode() for value in flat.cast(pl.String).drop_nulls().unique()]
        elif flat.dtype == pl.Binary:
            parts += flat.drop_nulls().unique().to_list()
    return b"\n".join(parts)


def told_to_others(done: Done) -> dict[str, bytes]:
    """What leaves the private folders: files with their names, and what the terminal showed."""
    told = {"terminal": output_of(done.result).encode()}
    for name, data in tree(done.directory).items():
        if not name.startswith(("cache/", *(f"results/{folder}/" for folder in PRIVATE))):
            path = done.directory / name
            more = texts_of_parquet(path) if path.suffix == ".parquet" else b""
            told[name] = b"\n".join((name.encode(), data, more))
    return told


def test_no_address_and_no_hash_of_one_leaves_the_private_folders(example: Done):
    told = told_to_others(example)
    tops = {"/".join(name.split("/")[:2]) for name in told}
    folders = ("assigned", "activity", "mapped", "published", "logs", "benchmarks")
    assert {f"results/{folder}" for folder in folders} <= tops
    traces = {
        trace for address in addresses_of_example() for trace in traces_of(address, example.salt)
    }
    pattern = re.compile(b"|".join(map(re.escape, sorted(traces))))
    assert [name for name, text in told.items() if pattern.search(text)] == []


def test_the_search_for_addresses_finds_them_where_they_are(example: Done):
    folder = example.results / "binned"
    [ips] = [texts_of_parquet(path) for path in folder.glob("2022-01.ips.parquet")]
    [hashes] = [texts_of_parquet(path) for path in folder.glob("2022-01.hashes.parquet")]
    traces = [tuple(traces_of(address, example.salt)) for address in addresses_of_example()]
    assert any(address in ips for address, *_ in traces)
    assert any(digest in hashes for _, digest, *_ in traces)


def test_no_table_behind_assign_has_a_column_of_addresses(example: Done):
    for folder in ("assigned", "activity", "dandisets"):
        for path in (example.results / folder).glob("*.parquet"):
            assert not {"ip", "ip_address", "hash"} & set(pl.read_parquet_schema(path))


def test_no_piece_of_a_raw_line_is_in_a_log(example: Done):
    """Request ids, host ids, agents, signatures: any word of a line that is long enough to tell."""
    words = {word for line in lines_of_example() for word in re.findall(rb"[!-~]{16,}", line)}
    told = {name: text for name, text in told_to_others(example).items() if "mapped/" not in name}
    logs = {name: text for name, text in told.items() if "/logs/" in name or name == "terminal"}
    assert len(words) > 1_000
    assert len(logs) > 30
    assert [
        name for name, text in logs.items() if words & set(re.findall(rb"[!-~]{16,}", text))
    ] == []


def test_excluded_addresses_are_not_told(again: Path):
    """Neither when they change, though Snakemake shows how parameters did, nor in its records."""

    def excluding(*ips: str) -> dict[str, Any]:
        return shipped_config(exclude={"ips": [*ips], "years": [], "dandisets": []})

    one, other = ("192.0.2.0/25", "2001:db8:1::/48"), ("192.0.2.0/26",)
    planned = run(again, "--dry-run", "reduce_all", config=excluding(*one))
    made = run(again, "reduce_all", config=excluding(*one))
    assert jobs_of(made)["reduce"] == 7
    assert not jobs_of(run(again, "--dry-run", "reduce_all", config=excluding(*reversed(one))))
    changed = run(again, "--dry-run", "reduce_all", config=excluding(*other))
    assert jobs_of(changed)["reduce"] == 7
    told = [output_of(result).encode() for result in (planned, made, changed)]
    for address in (*one, *other):
        assert not any(address.encode() in text for text in told)
        records = tree(again / ".snakemake").items()
        assert [name for name, data in records if address.encode() in data] == []
    assert mode(again / ".snakemake/exclusions.key") == "0o600"


def test_every_job_has_a_log_and_a_benchmark(example: Done):
    logs = logs_of(example.result)
    assert len(logs) == JOBS.total() - 1  # all but `all`
    for log in logs:
        assert (example.directory / log).is_file(), log
        benchmark = log.replace("/logs/", "/benchmarks/").removesuffix(".log") + ".tsv"
        assert (example.directory / benchmark).is_file(), benchmark


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_private_folders_are_closed_to_others(example: Done):
    folders = [example.results / folder for folder in PRIVATE]
    for folder in (*folders, example.directory / "cache"):
        assert mode(folder) == "0o700", folder
    for name in ("salt", "salt.fingerprint"):
        assert mode(example.directory / "cache" / name) == "0o600"
    for path in example.results.glob("reduced/*/*/*.malformed"):
        assert mode(path) == "0o600", path


def test_a_folder_that_stands_open_is_closed(again: Path):
    (again / "results/binned").chmod(0o755)
    (again / "cache").chmod(0o755)
    (again / "results/published/totals.json").unlink()
    run(again)
    assert mode(again / "results/binned") == "0o700"
    assert mode(again / "cache") == "0o700"


# --- Parts of it ---------------------------------------------------------------------------------


def test_target_rules_stop_early(example: Done, tmp_path: Path):
    """Each makes what it should and nothing else; the next one goes on where it stopped."""
    one = dict.fromkeys(("locate", "list_dandisets", "route", "gather"), 1)
    targets = {
        "reduce_all": ({"reduce": 7, "reduce_all": 1}, {"reduced"}),
        "bin_all": ({"bin": 3, "bin_all": 1}, {"binned"}),
        "map_all": (
            {**one, "hash_addresses": 3, "assign": 3, "map": len(DANDISETS), "map_all": 1},
            {"lookup", "dandisets", "assigned", "activity", "mapped"},
        ),
        "totals": ({"totals": 1}, set()),
        "coordinates": ({"coordinates": 1}, {"gaps_in_coordinates.txt"}),
        "publish": (
            {
                **dict.fromkeys(("accounting", "provenance", "reconcile", "publish"), 1),
                "yearly_accounts": 2,
            },
            {
                *("accounting", "accounting.tsv", "provenance.json", "reconciled.json"),
                *("published", "published.json"),
            },
        ),
    }
    there: set[str] = set()
    for target, (jobs, folders) in targets.items():
        assert jobs_of(run(tmp_path, target, salt=example.salt)) == jobs
        there |= folders
        assert {name.split("/")[0] for name in results(tmp_path)} == there
    assert differences(results(tmp_path), results(example.directory)) == []


def test_restricted_and_excluded_dandisets(example: Done, again: Path):
    """A run makes the folders it is asked for, and what earlier runs made stays."""
    golden = tree(GOLDEN)
    archive = [
        name for name in golden if re.match(r"mapped/[a-z_]+\.|published/arch|.*/archive/", name)
    ]
    assert len(archive) > 6
    for folder in ("mapped", "published"):
        shutil.rmtree(again / "results" / folder)

    config = shipped_config(restrict_to_dandisets=["000003", "000026"])
    run(again, config=config)
    first = results(again)
    assert folders_in(again / "results/mapped") == {"000003", "000026", "undetermined"}
    assert list(json.loads(first["published/totals.json"])) == ["000003", "000026", "undetermined"]
    assert unlike(foretellable(first), foretold(config)) == []
    # Fewer counts need to be hidden, for fewer are published that they could be worked out from.
    assert unlike(*({name: files[name] for name in archive} for files in (golden, first))) == []

    exclude = {"ips": [], "years": [], "dandisets": ["000003", "000108"]}
    kept = stamps(again / "results/mapped/000003")
    assert jobs_of(run(again, config=shipped_config(exclude=exclude)))["map"] == 3
    assert folders_in(again / "results/mapped") == set(DANDISETS) - {"000108"}
    assert stamps(again / "results/mapped/000003") == kept

    assert jobs_of(run(again, config=shipped_config()))["map"] == 1
    assert differences(results(again), results(example.directory)) == []


def folders_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def stamps(folder: Path) -> dict[Path, int]:
    """When each file below a folder was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_excluded_addresses_and_years_and_no_provider(tmp_path: Path):
    exclude = {"ips": ["192.0.2.0/25", "2001:db8:1::/48", "10.0.0.7"], "years": [2021]}
    config = shipped_config(exclude=exclude)
    config["regions"]["provider"] = "none"
    run(tmp_path, config=config)
    made = results(tmp_path)
    assert unlike(foretellable(made), foretold(config)) == []
    assert not any("2021" in name for name in made)
    accounting = pl.read_csv(made["accounting.tsv"], separator="\t")
    assert accounting["excluded_ip"].sum() > 20
    regions = made["mapped/archive_summary_by_region.tsv"].decode()
    assert "\nundetermined\t" in regions
    assert "\nAWS/us-east-2\t" in regions
    assert not re.search(r"^(bogon|[A-Z]{2}/)", regions, re.MULTILINE)
    # Not asked yet, so to be asked again: a provider that is there later answers for all of them.
    config["regions"]["provider"] = "mmdb"
    run(tmp_path, config=config)
    assert unlike(foretellable(results(tmp_path)), foretold(config)) == []


def test_summaries_without_asset_logs(example: Done, again: Path):
    config = shipped_config(mapping={"asset_logs": False})
    run(again, config=config)
    files = foretellable(results(again))
    assert unlike(files, foretold(config)) == []
    golden = foretellable(results(example.directory))
    gone = {name for name in golden if name not in files}
    assert gone
    assert all(re.match(r"mapped/[0-9]{6}/[^/]+/.+\.tsv$", name) for name in gone)
    assert not any("_summary_by_" in name for name in gone)
    assert all(golden[name] == data for name, data in files.items())


def test_an_archive_without_a_single_day(tmp_path: Path):
    (tmp_path / "raw").mkdir()
    run(tmp_path, config=shipped_config(raw_logs="raw"))
    assert json.loads((tmp_path / "results/published/totals.json").read_text()) == {}
    archive = json.loads((tmp_path / "results/mapped/archive_totals.json").read_text())
    kinds = archive.pop("by_kind_of_requester")
    assert {*archive.values(), *(n for of_kind in kinds.values() for n in of_kind.values())} == {0}
    assert finds_nothing_to_do(tmp_path, config=shipped_config(raw_logs="raw"))


def test_days_that_were_archived_away_keep_counting(example: Done, elsewhere: Done, tmp_path: Path):
    copy(elsewhere.directory, tmp_path)
    raw = tmp_path / "tests/example/raw"
    for name in ("2022/01/01.log", "2021/12/31.log.gz"):
        (raw / name).unlink()
    shutil.rmtree(raw / "2022/05/02")
    options = {"config": shipped_config(), "salt": example.salt}
    assert finds_nothing_to_do(tmp_path, **options)
    ran = jobs_of(run(tmp_path, "--forcerun", "bin", "accounting", **options))
    assert (ran["reduce"], ran["bin"], ran["accounting"]) == (0, 3, 1)
    assert differences(results(tmp_path), results(elsewhere.directory)) == []


def test_a_raw_log_that_is_cut_off_stops_its_own_day_alone(tmp_path: Path):
    raw = shutil.copytree(EXAMPLE / "raw", tmp_path / "raw")
    whole = (raw / "2021/12/31.log.gz").read_bytes()
    lines = gzip.decompress(whole).split(b"\n")
    (raw / "2021/12/31.log.gz").write_bytes(whole[: len(whole) // 2])
    result = run(tmp_path / "work", config=shipped_config(raw_logs=str(raw)), fails=True)
    told = output_of(result)
    assert re.search(
        r"2021/12/31\.log\.gz cannot be decompressed to its end .*Fetch it again", told
    )
    made = results(tmp_path / "work")
    folders = {*PRIVATE, "dandisets", "accounting"} - {"lookup"}
    assert {name.split("/")[0] for name in made} == folders
    assert sum(name.startswith("reduced/") and name.endswith(".json") for name in made) == 6
    assert not any("2021/12/31" in name or ".part" in name for name in made)
    words = {word for line in lines for word in re.findall(rb"[!-~]{16,}", line)}
    logs = [told.encode(), *tree(tmp_path / "work/results/logs").values()]
    assert not any(word in log for word in words for log in logs)


# --- Random archives -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, 8, 20])
def test_a_random_archive_is_what_the_oracle_says(tmp_path: Path, seed: int):
    path = simulate.random_archive(tmp_path, seed)
    config = yaml.safe_load(path.read_text())
    run(tmp_path, config=path)
    assert unlike(foretellable(results(tmp_path)), foretold(config)) == []
    assert finds_nothing_to_do(tmp_path, config=path)
