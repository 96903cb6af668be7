"""The simulated input is what it promises to be."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import maxminddb
import polars as pl
import pytest
import simulate
from archive_parts import ADDRESSES, PLACES, start_of
from log_lines import HOSTILE_SHAPES, Content, successful_get
from oracle import classify, read_bytes

EXAMPLE = Path(__file__).parent / "example"
BLOB = Content("blob", "1234abcd-1111-4111-8111-111111111111", 5_000)
STORE = Content("zarr", "5678abcd-1111-4111-8111-111111111111", 5_000_000)


def files_in(folder: Path) -> dict[str, bytes]:
    """Relative path -> content of every file, decompressed: compressors differ by version."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): read_bytes(path) for path in paths}


def class_of(line: bytes) -> str:
    return classify(line, operation="REST.GET.OBJECT", excluded=())[0]


def test_example_is_what_simulate_writes(tmp_path: Path):
    simulate.main(["example", str(tmp_path)])
    committed = files_in(EXAMPLE)
    del committed["README.md"]
    assert files_in(tmp_path) == committed


def test_example_is_small_and_mostly_clean():
    lines = [
        line
        for path in sorted((EXAMPLE / "raw").rglob("*"))
        if path.is_file()
        for line in read_bytes(path).removesuffix(b"\n").split(b"\n")
    ]
    classes = Counter(map(class_of, lines))
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file()) < 300_000
    assert set(classes) == {
        "empty",
        "malformed",
        "other_operation",
        "other_key",
        "unsuccessful",
        "kept",
    }
    assert classes["malformed"] < 0.1 * len(lines)
    assert classes["kept"] > 0.65 * len(lines)


def test_gzip_header_has_no_time_and_no_name():
    header = (EXAMPLE / "raw/2021/12/31.log.gz").read_bytes()[:10]
    assert header[3:8] == bytes(5)


def test_regions_answer_for_their_places():
    with maxminddb.open_database(EXAMPLE / "regions.mmdb") as regions:
        for block, (country, region) in PLACES.items():
            record = regions.get(block.partition("/")[0])
            assert (record["country"], record.get("region")) == (country, region)
        assert regions.get("198.51.100.220") is None
        assert regions.get("2001:db8::1") is None


@pytest.mark.parametrize("content", [BLOB, STORE], ids=["blob", "zarr"])
@pytest.mark.parametrize("name", HOSTILE_SHAPES)
def test_hostile_shape_is_in_its_class(name: str, content: Content):
    shape = HOSTILE_SHAPES[name]
    rng = Random(name)
    date = simulate.EXAMPLE_DAY_WITHOUT_USE
    lines = [
        shape(rng, successful_get(rng, start_of(date), ADDRESSES[0], content)) for _ in range(20)
    ]
    assert not any(b"\n" in line for line in lines)
    if shape.expected is not None:
        assert set(map(class_of, lines)) == {shape.expected}


def test_random_archive_is_the_same_for_a_seed(tmp_path: Path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        assert simulate.random_archive(folder, 7) == folder / "config.yaml"
    there = {name: text.replace(bytes(first), b"") for name, text in files_in(first).items()}
    here = {name: text.replace(bytes(second), b"") for name, text in files_in(second).items()}
    assert there == here


def test_random_archives_differ_and_have_every_form_of_day(tmp_path: Path):
    for seed in range(12):
        simulate.random_archive(tmp_path / str(seed), seed)
    days = {
        path.relative_to(tmp_path).as_posix().split("/", 1)[1]: path
        for path in tmp_path.glob("*/raw/*/*/*")
    }
    assert {"".join(path.suffixes) for path in days.values()} == {
        ".log",
        ".log.gz",
        ".log.zst",
        "",
    }
    assert len(days) > 12


def test_random_archive_refuses_a_used_folder(tmp_path: Path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(FileExistsError, match="holds an archive already"):
        simulate.random_archive(tmp_path, 1)


def test_day_has_the_promised_proportions(tmp_path: Path):
    path = tmp_path / "01.log"
    count = simulate.day(path, lines=4_000, hostile=0, objects=300, addresses=200)
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    operations = Counter(line.split(b" ")[7] for line in lines)
    classes = Counter(map(class_of, lines))
    seconds = [line.split(b" ")[2] for line in lines]
    assert count == len(lines) == 4_000
    assert 450 < path.stat().st_size / count < 700
    assert 0.85 < operations[b"REST.GET.OBJECT"] / count < 0.95
    assert 0.7 < sum(b" zarr/" in line for line in lines) / count < 0.8
    assert 0.75 < classes["kept"] / count < 0.9
    assert classes["malformed"] == 0
    assert seconds != sorted(seconds)
    assert sorted(seconds)[2_000].startswith(b"[01/May/2022:1")


def test_day_is_about_as_long_as_asked_and_as_hostile(tmp_path: Path):
    path = tmp_path / "01.log.zst"
    simulate.day(path, size=2_000_000, hostile=0.5, objects=300, addresses=200)
    lines = read_bytes(path).split(b"\n")
    classes = Counter(map(class_of, lines))
    assert sum(map(len, lines)) == pytest.approx(2_000_000, rel=0.1)
    assert 0.05 < classes["malformed"] / len(lines) < 0.3


def test_reduced_month_has_a_store_with_half_of_it(tmp_path: Path):
    options = ["--requests", "6200", "--keys", "100", "--addresses", "50"]
    simulate.main(["reduced", str(tmp_path), *options])
    days = sorted(tmp_path.glob("reduced/2022/05/*.parquet"))
    month = pl.read_parquet(days)
    counts = [json.loads(day.with_suffix(".json").read_text()) for day in days]
    top = month["object_key"].value_counts(sort=True)
    assert len(days) == 31
    assert month.schema == simulate.REDUCED_SCHEMA
    assert month["timestamp"].dt.date().is_sorted()
    assert month.height == sum(count["kept"] for count in counts) == 6_200
    assert top["object_key"][0].startswith("zarr/")
    assert top["count"][0] / month.height == pytest.approx(0.5, abs=0.03)


def test_archive_has_a_file_per_day(tmp_path: Path):
    simulate.main(["archive", str(tmp_path), "--days", "40", "--dandisets", "5"])
    days = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("raw/*/*/*"))
    snapshot = pl.read_csv(tmp_path / "snapshot.tsv", separator="\t", infer_schema=False)
    assert days[0] == "raw/2019/10/01.log"
    assert days[-1] == "raw/2019/11/09.log"
    assert len(days) == 40
    assert snapshot["dandiset"].n_unique() == 5
