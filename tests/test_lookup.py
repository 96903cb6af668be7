"""`scripts/lookup.py` tells people of objects and Dandisets what the summaries and bins hold."""

import shutil
from pathlib import Path

import lookup
import polars as pl
import pytest
from incremental import ALPHA, GAMMA, ORPHAN, QUIET, SALT, SHARED, write_archive
from workflow import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The results of a small archive. Not to be changed."""
    archive = write_archive(tmp_path_factory.mktemp("archive") / "first")
    run(archive, salt=SALT)
    return archive / "results"


def told(results: Path, *arguments: str, capsys: pytest.CaptureFixture) -> list[list[str]]:
    """The fields of the lines that are printed."""
    lookup.main(["--results", str(results), *arguments])
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def sent(results: Path, key: str) -> int:
    """The bytes that were sent of an object, by the reduced days."""
    days = pl.read_parquet(results / "reduced/*/*/*.parquet")
    return days.filter(pl.col("object_key") == key)["bytes_sent"].sum()


def test_objects_and_dandisets_in_the_order_of_the_command(folder: Path, capsys):
    names = [ALPHA.object_key, "000003", f"{GAMMA.object_key}/0/1", "undetermined"]
    header, *rows = told(folder, *names, capsys=capsys)
    assert header == [
        *("name", "bytes_sent", "number_of_requests", "number_of_downloads"),
        *("first_date", "last_date"),
    ]
    alpha, gamma, orphan = (sent(folder, c.object_key) for c in (ALPHA, GAMMA, ORPHAN))
    assert rows == [
        [ALPHA.object_key, str(alpha), "3", "3", "2021-12-31", "2022-02-01"],
        ["000003", str(gamma), "1", "1", "2022-01-06", "2022-01-06"],
        [GAMMA.object_key, str(gamma), "1", "1", "2022-01-06", "2022-01-06"],
        ["undetermined", str(orphan), "1", "1", "2022-02-02", "2022-02-02"],
    ]


def test_the_objects_that_a_dandiset_owns(folder: Path, capsys):
    rows = told(folder, "--objects", "000001", capsys=capsys)[1:]
    assert rows[0][0] == "000001"
    assert {row[0] for row in rows[1:]} == {ALPHA.object_key, SHARED.object_key}
    for column in (1, 2, 3):
        assert int(rows[0][column]) == sum(int(row[column]) for row in rows[1:])


def test_what_no_dandiset_owns_is_found_in_the_bins(folder: Path, capsys):
    (row,) = told(folder, ORPHAN.object_key, capsys=capsys)[1:]
    assert row == [
        *(ORPHAN.object_key, str(sent(folder, ORPHAN.object_key)), "1", "1"),
        *("2022-02-02", "2022-02-02"),
    ]


def test_bins_tell_the_same_as_the_usage_by_day(folder: Path, tmp_path: Path, capsys):
    names = [content.object_key for content in (ALPHA, SHARED, GAMMA)]
    shutil.copytree(folder / "binned", tmp_path / "binned")
    assert told(tmp_path, *names, capsys=capsys) == told(folder, *names, capsys=capsys)


@pytest.mark.parametrize("name", ["000004", "000999", QUIET.object_key, "zarr/of-nobody"])
def test_what_nobody_asked_for_is_said(folder: Path, capsys, name: str):
    with pytest.raises(SystemExit) as end:
        lookup.main(["--results", str(folder), "000001", name])
    assert end.value.code == f"Nobody asked for {name}."
    assert capsys.readouterr().out.splitlines()[1].startswith("000001 ")


@pytest.mark.parametrize("name", ["", "108", "blobs/a/b", "blobs/a/b/c/d", "zarr/", "../x"])
def test_what_names_nothing_is_refused(folder: Path, name: str):
    with pytest.raises(SystemExit, match="is neither the key of an object"):
        lookup.main(["--results", str(folder), name])


@pytest.mark.parametrize("name", ["000001", "zarr/x"])
def test_results_that_are_not_there_are_named(tmp_path: Path, name: str):
    with pytest.raises(SystemExit, match=r"has no months\. Name the folder .* by --results"):
        lookup.main(["--results", str(tmp_path / "nowhere"), name])


def test_without_a_name_the_usage_is_shown(capsys):
    with pytest.raises(SystemExit) as end:
        lookup.main([])
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err
