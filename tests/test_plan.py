"""What a dry run says of the days, months, Dandisets and bytes there are to do."""

import json
from pathlib import Path

import pytest
from _plan import outline, size
from faults import prepare_example
from workflow import output_of, run


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (6_123_000_000_000, "6.1 TB"),
        (7_260_000_000_000_000_000, "7260 PB"),
    ],
)
def test_sizes_to_read(number: int, text: str):
    assert size(number) == text


def test_a_plan_that_ends_at_checkpoints_says_so():
    jobs = {"reduce": 2_588, "bin": 85, "route": 1, "assign": 85, "gather": 1}
    assert list(outline(jobs, 6 * 10**12)) == [
        "Days to reduce: 2,588, 6.0 TB of raw logs to read",
        "Months to bin: 85",
        "Months to assign: at most 85, of which only those run that changed",
        "Dandisets to map: not known before gather has run",
    ]


def test_a_plan_of_a_night_tells_how_many_dandisets_there_are():
    *_, dandisets = outline({"reduce": 1, "route": 1, "gather": 1}, 10**9, active=1_024)
    assert dandisets == (
        "Dandisets to map: of the 1,024 with activity so far those that change, and new ones"
    )


def test_a_plan_behind_the_checkpoints_is_exact():
    assert list(outline({"assign": 1, "map": 1_024}, 0)) == [
        "Days to reduce: 0",
        "Months to bin: 0",
        "Months to assign: 1",
        "Dandisets to map: 1,024",
    ]


def test_a_dry_run_says_what_there_is_to_do(tmp_path: Path):
    folder = prepare_example(tmp_path / "example")
    raw = sum(path.stat().st_size for path in folder.glob("raw/*/*/**/*") if path.is_file())
    told = output_of(run(folder, "--dry-run"))
    assert f"Days to reduce: 7, {size(raw)} of raw logs to read\n" in told
    assert "Months to assign: at most 3, of which" in told
    (folder / "results/activity").mkdir(parents=True)
    gathered = {"dandisets": {"000108": {}, "000003": {}, "undetermined": {}}}
    (folder / "results/activity/gathered.json").write_text(json.dumps(gathered))
    told = output_of(run(folder, "--dry-run", "--config", "exclude={dandisets: ['000108']}"))
    assert "Dandisets to map: of the 2 with activity so far" in told
    one_day = "results/reduced/2022/05/02.parquet"
    delivered = sum(path.stat().st_size for path in (folder / "raw/2022/05/02").iterdir())
    told = output_of(run(folder, "--dry-run", one_day))
    assert f"Days to reduce: 1, {size(delivered)} of raw logs to read\n" in told
