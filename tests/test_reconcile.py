"""Figures that can be had in two ways: the same both ways, or nothing is published."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import reconcile
from _log import UserError
from _tables import DANDISETS_BY_DAY
from workflow import GOLDEN

NAMES = ("000001", "000003", "000026", "000108", "000233", "000487", "undetermined")
ACCOUNTING = "date\tlines\tkept\n2022-05-01\t9\t3\n2022-05-31\t2\t2\n2022-06-01\t1\t0\n"


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """What the example comes to."""
    return Path(shutil.copytree(GOLDEN / "mapped", tmp_path / "mapped"))


def problems(mapped: Path, names: tuple[str, ...] = NAMES) -> list[str]:
    return list(reconcile.Mapped(mapped, names).problems())


def test_the_example_adds_up(mapped: Path):
    assert problems(mapped) == []


def test_the_rows_of_a_few_dandisets_are_in_memory_at_a_time(
    mapped: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconcile, "AT_ONCE", 2)
    assert problems(mapped) == []
    change_figure(mapped / "000026/dandiset_summary_by_region.tsv")
    of_dandiset, of_region = problems(mapped)
    assert of_dandiset.startswith("000026: bytes sent: by region ")
    assert "the Dandisets" in of_region


def change_figure(path: Path, row: int = 1, column: int = 1, by: int = 1) -> None:
    """Make a figure of a table larger."""
    lines = path.read_text().splitlines()
    fields = lines[row].split("\t")
    fields[column] = str(int(fields[column]) + by)
    lines[row] = "\t".join(fields)
    path.write_text("\n".join([*lines, ""]))


@pytest.mark.parametrize("column", [1, 2, 3])
@pytest.mark.parametrize("kind", ["day", "region", "asset"])
def test_a_summary_that_differs_from_its_totals(mapped: Path, kind: str, column: int):
    change_figure(mapped / f"000003/dandiset_summary_by_{kind}.tsv", column=column)
    what = reconcile.COUNTED[column - 1].replace("_", " ")
    assert any(problem.startswith(f"000003: {what}: by {kind} ") for problem in problems(mapped))


def test_requests_that_moved_to_another_day_of_the_dandiset_alone(mapped: Path):
    path = mapped / "000003/dandiset_summary_by_day.tsv"
    dates = [line.split("\t")[0] for line in path.read_text().splitlines()]
    change_figure(path, row=1, column=2, by=1)
    change_figure(path, row=2, column=2, by=-1)
    found = problems(mapped)
    assert [problem.split(":")[0] for problem in found] == dates[1:3]
    assert "the Dandisets" in found[0]
    assert "the archive" in found[0]


def test_bytes_that_moved_to_another_region_of_the_archive(mapped: Path):
    path = mapped / "archive_summary_by_region.tsv"
    regions = [line.split("\t")[0] for line in path.read_text().splitlines()]
    change_figure(path, row=1, by=-5)
    change_figure(path, row=3, by=5)
    assert sorted(problem.split(":")[0] for problem in problems(mapped)) == sorted(
        [regions[1], regions[3]]
    )


@pytest.mark.parametrize("name", ["000003/dandiset", "undetermined/dandiset", "archive"])
def test_weeks_of_asset_types_that_differ_from_the_days(mapped: Path, name: str):
    path = mapped / f"{name}_summary_by_asset_type_per_week.tsv"
    week = path.read_text().splitlines()[1].split("\t")[0]
    change_figure(path)
    (problem,) = problems(mapped)
    assert problem.startswith(f"{name.split('/')[0]}, {week}: bytes sent: of asset types ")


@pytest.mark.parametrize("name", ["000003/dandiset_totals", "archive_totals"])
def test_kinds_of_requesters_that_differ_from_the_total(mapped: Path, name: str):
    path = mapped / f"{name}.json"
    totals = json.loads(path.read_text())
    totals["by_kind_of_requester"]["vpn"]["number_of_requests"] += 1
    path.write_text(json.dumps(totals))
    assert any("by kind of requester" in problem for problem in problems(mapped))


def test_dandisets_that_do_not_make_the_archive(mapped: Path):
    path = mapped / "all_dandiset_totals.json"
    totals = json.loads(path.read_text())
    del totals["000026"]
    path.write_text(json.dumps(totals))
    assert any(problem.startswith("archive: bytes sent: ") for problem in problems(mapped))
    assert any(problem.startswith("000026: ") for problem in problems(mapped))


def test_totals_that_are_not_those_of_the_dandiset(mapped: Path):
    path = mapped / "000003/dandiset_totals.json"
    path.write_text(
        path.read_text().replace('"number_of_requesters": ', '"number_of_requesters": 1')
    )
    assert problems(mapped) == [
        "000003: dandiset_totals.json differs from all_dandiset_totals.json"
    ]


# --- Folders of earlier runs ---------------------------------------------------------------------

MADE = ("000001", "000026", "undetermined")


def test_what_this_run_does_not_map_is_named(mapped: Path):
    totals = mapped / "000003/dandiset_totals.json"
    totals.write_text(totals.read_text().replace('"number_of_requesters": ', '"x": 1,\n "y": '))
    change_figure(mapped / "000003/dandiset_summary_by_day.tsv")
    shutil.rmtree(mapped / "000108")
    figures = reconcile.Mapped(mapped, MADE)
    assert list(figures.problems()) == []
    assert figures.older == ["000003"]
    assert figures.left_out == ["000108"]


def test_what_this_run_maps_is_no_more_than_the_archive(mapped: Path):
    path = mapped / "000026/dandiset_summary_by_region.tsv"
    change_figure(path, row=1, by=10**12)
    change_figure(path, row=2, by=-(10**12))
    found = problems(mapped, MADE)
    assert len(found) == 1
    assert "the Dandisets" in found[0]


def test_what_is_left_is_what_the_others_have(mapped: Path):
    # In none of the Dandisets does a figure differ from another; it is the archive's alone.
    change_figure(mapped / "archive_summary_by_day.tsv", column=2)
    assert any("what this run does not map" in problem for problem in problems(mapped, MADE))


# --- Lines ---------------------------------------------------------------------------------------


def run(folder: Path, mapped: Path, may: int = 5) -> Path:
    """Reconcile the example with lines and requests of two months."""
    folder.mkdir(exist_ok=True)
    (folder / "accounting.tsv").write_text(ACCOUNTING)
    day = pl.Series("date", ["2022-05-01"]).str.to_date()
    rows = {"dandiset": "000003", "asset_type": ["Video", "Microscopy"], "date": day[0]}
    counts = {"bytes_sent": 1, "number_of_requests": [may - 1, 1], "number_of_downloads": 1}
    usage = pl.DataFrame({**rows, **counts}, schema=DANDISETS_BY_DAY)
    usage.write_parquet(folder / "may.parquet")
    usage.clear().write_parquet(folder / "june.parquet")
    reconcile.main(
        mapped=mapped,
        dandisets=list(NAMES),
        accounting=folder / "accounting.tsv",
        months=["2022-05", "2022-06"],
        by_day=[folder / "may.parquet", folder / "june.parquet"],
        reconciled=folder / "reconciled.json",
    )
    return folder / "reconciled.json"


def test_what_adds_up_is_noted(tmp_path: Path, mapped: Path):
    noted = json.loads(run(tmp_path, mapped).read_text())
    assert len(noted.pop("digest")) == 64
    assert noted == {"dandisets": 7, "older": [], "left_out": []}


def test_what_is_noted_differs_when_the_totals_of_any_dandiset_do(tmp_path: Path, mapped: Path):
    before = run(tmp_path, mapped).read_text()
    assert run(tmp_path, mapped).read_text() == before
    path, of_all = mapped / "000026/dandiset_totals.json", mapped / "all_dandiset_totals.json"
    totals, all_totals = (json.loads(one.read_text()) for one in (path, of_all))
    totals["number_of_requesters"] += 1
    path.write_text(json.dumps(totals))
    of_all.write_text(json.dumps(all_totals | {"000026": totals}))
    assert run(tmp_path, mapped).read_text() != before


def test_lines_that_are_no_requests(tmp_path: Path, mapped: Path):
    with pytest.raises(UserError, match=r"2022-05: .*: 5 lines were kept, 4 assigned"):
        run(tmp_path, mapped, may=4)
    assert not (tmp_path / "reconciled.json").exists()


def test_many_differences_are_counted(tmp_path: Path, mapped: Path):
    for name in NAMES:
        for kind in ("day", "region"):
            change_figure(mapped / name / f"dandiset_summary_by_{kind}.tsv")
    with pytest.raises(UserError, match=r"(?s)do not add up.*and [0-9]+ more") as raised:
        run(tmp_path, mapped)
    assert str(raised.value).count("\n- ") == reconcile.SHOWN + 1
