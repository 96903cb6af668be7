"""The accounts of all days in one table, and days with too many malformed lines."""

import datetime as dt
import json
import logging
from pathlib import Path
from random import Random

import accounting
import oracle
import polars as pl
import pytest
import reduce
import yearly_accounts
from _log import UserError
from _log_lines import CLASSES
from _summaries import read_accounting
from archive_parts import write_lines
from log_lines import HOSTILE_SHAPES, Content, successful_get
from simulate import start_of
from workflow import EXAMPLE, ROOT, output_of, run

DATE = dt.date(2022, 5, 1)
BLOB = Content("blob", "1234abcd-1111-4111-8111-111111111111", 5_000)
LIMITS = {"warn_share": 0.001, "fail_share": 0.05}


def account(folder: Path, day: str, **counts: int) -> Path:
    """The account of a day of May 2022, with so many lines per class."""
    path = folder / f"reduced/2022/05/{day}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = {"lines": sum(counts.values()), **dict.fromkeys(CLASSES, 0), **counts}
    path.write_text(json.dumps(lines))
    return path


def gather(folder: Path, accounts: list[Path], **limits: float) -> pl.DataFrame:
    year, table = folder / "accounting/2022.tsv", folder / "accounting.tsv"
    yearly_accounts.main(counts=accounts, accounts=year)
    accounting.main(accounts=[year], accounting=table, **LIMITS | limits)
    return pl.read_csv(table, separator="\t")


def test_the_table_has_lines_and_share_of_each_class(tmp_path: Path):
    days = [
        account(tmp_path, "02"),
        account(tmp_path, "01", kept=2_996, malformed=1, empty=3),
    ]
    table = gather(tmp_path, days)
    shares = [f"{name}_share" for name in CLASSES if name != "malformed"]
    assert table.columns == ["date", "lines", *CLASSES, *shares, "malformed_share"]
    assert table["date"].to_list() == ["2022-05-01", "2022-05-02"]
    assert table["lines"].to_list() == [3_000, 0]
    assert table["kept_share"].to_list() == [0.998667, 0]
    assert table["empty_share"].to_list() == [0.001, 0]
    assert table["malformed_share"].to_list() == [0.000333, 0]
    assert read_accounting(tmp_path / "accounting.tsv").columns == ["date", "lines", *CLASSES]


def test_the_table_of_no_day(tmp_path: Path):
    accounting.main(accounts=[], accounting=tmp_path / "accounting.tsv", **LIMITS)
    assert read_accounting(tmp_path / "accounting.tsv").is_empty()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"lines": 1}', '{"lines": "1"}'])
def test_what_is_no_account_is_told_of(tmp_path: Path, content: str):
    path = account(tmp_path, "01", kept=1)
    path.write_text(content)
    with pytest.raises(UserError, match=r"01\.json is no account of a day\. Delete it and run"):
        gather(tmp_path, [path])


def test_an_account_that_does_not_add_up_is_told_of(tmp_path: Path):
    path = account(tmp_path, "01", kept=5)
    path.write_text(path.read_text().replace('"lines": 5', '"lines": 6'))
    with pytest.raises(UserError, match=r"01\.json: the classes do not add up to the lines\."):
        gather(tmp_path, [path])
    assert not (tmp_path / "accounting.tsv").exists()


def test_days_with_many_malformed_lines_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    days = [
        account(tmp_path, "01", kept=999, malformed=1),  # at the limit, not above it
        account(tmp_path, "02", kept=998, malformed=2),
        account(tmp_path, "03", kept=1_000),
        account(tmp_path, "04", kept=1, malformed=9),
    ]
    with caplog.at_level(logging.WARNING):
        gather(tmp_path, days)
    [message] = caplog.messages
    assert "2022-05-04 (9 of 10 lines, 90.00 %), 2022-05-02 (2 of 1000 lines, 0.20 %)." in message
    assert "2022-05-01" not in message
    assert "2022-05-03" not in message


def test_days_with_too_many_malformed_lines_stop_the_run(tmp_path: Path):
    days = [
        account(tmp_path, "01", kept=190, malformed=10),  # at the limit, not above it
        account(tmp_path, "02", kept=189, malformed=10),
        account(tmp_path, "03", kept=1, malformed=9),  # few lines
    ]
    with pytest.raises(UserError, match=r"malformed on 2022-05-02 \(10 of 199") as error:
        gather(tmp_path, days)
    assert "accounting.fail_malformed_share" in str(error.value)
    assert "2022-05-01" not in str(error.value)
    assert "2022-05-03" not in str(error.value)
    assert not (tmp_path / "accounting.tsv").exists()
    assert len(gather(tmp_path, days, fail_share=1)) == 3


def test_of_many_days_the_latest_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    gather(tmp_path, [account(tmp_path, f"{day:02}", malformed=1) for day in range(1, 32)])
    [message] = caplog.messages
    assert "2022-05-31 (" in message
    assert "2022-05-12 (" in message
    assert "2022-05-11 (" not in message
    assert "and 11 earlier ones." in message


def test_the_account_of_a_day_is_the_same_in_every_form(tmp_path: Path):
    rng = Random(3)
    get = successful_get(rng, start_of(DATE), "192.0.2.1", BLOB)
    lines = [shape(rng, get) for shape in HOSTILE_SHAPES.values() for _ in range(5)]
    expected, _ = oracle.reduce_day(lines, operation="REST.GET.OBJECT", excluded=[])
    accounts = []
    for day, form in enumerate(("log", "log.gz", "log.zst", "folder"), 1):
        raw = tmp_path / f"raw/2022/05/{day:02}.{form}"
        if form == "folder":
            raw = raw.with_suffix("")
            for part, name in enumerate(("a", "b.gz", "c.zst")):
                write_lines(raw / name, lines[part::3])
        else:
            write_lines(raw, lines)
        path = tmp_path / f"reduced/2022/05/{day:02}.json"
        reduce.main(
            raw=raw,
            requests=path.with_suffix(".parquet"),
            counts=path,
            operation="REST.GET.OBJECT",
            exclude_ips=[],
        )
        accounts.append(path)
    table = gather(tmp_path, accounts, fail_share=1)
    assert table.select("lines", *CLASSES).rows(named=True) == [expected] * 4


def test_a_run_fails_where_too_many_lines_are_malformed_and_publishes_nothing(tmp_path: Path):
    raw = tmp_path / "raw/2022/05/01.log"
    raw.parent.mkdir(parents=True)
    raw.write_bytes(b"odd\n" * 10 + (EXAMPLE / "raw/2022/05/01.log").read_bytes())
    config = {
        "raw_logs": str(tmp_path / "raw"),
        "dandi": {"snapshot": str(ROOT / "tests/example/dandisets.tsv")},
    }
    result = run(tmp_path, config=config, fails=True)
    assert "malformed on 2022-05-01 (14 of 68 lines, 20.59 %)" in output_of(result)
    assert not (tmp_path / "results/accounting.tsv").exists()
    assert not (tmp_path / "results/published").exists()
    config["accounting"] = {"fail_malformed_share": 0.5}
    result = run(tmp_path, config=config)
    assert "More than 0.1 % of the lines are malformed on 2022-05-01" in output_of(result)
    assert (tmp_path / "results/published/totals.json").exists()
