"""The stages behind reduce, each on tables of a few rows."""

import datetime as dt
import json
import logging
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _counts
import assign
import bin as binning
import gather
import list_dandisets
import map as mapping
import oracle
import polars as pl
import publish
import pytest
import route
from _hashes import fingerprint, hash_address, read_salt
from _listing import SNAPSHOT, read_snapshot
from _log import UserError
from _sizing import by_requests, by_size
from _tables import (
    ACTIVITY,
    BINNED,
    DIGESTS,
    HASHES,
    IPS,
    OBJECTS,
    PLACEMENTS,
    REDUCED,
    REGIONS,
    REGIONS_BY_HASH,
    REQUESTERS,
    ROUTES,
    ContractError,
    from_frames,
    write_if_changed,
    write_table,
)
from _usage import COUNTED, asset_type, by_date, by_label, by_type_per_week, counts
from hypothesis import example, given, settings
from hypothesis import strategies as st

A, B, Z = "blobs/aaa/aaa/aaaaaa-1", "blobs/bbb/bbb/bbbbbb-2", "zarr/zzzzzz-3"
DAY = dt.date(2022, 5, 1)


def at(text: str) -> dt.datetime:
    """An instant of the first of May: `05:06:35`."""
    return dt.datetime.combine(DAY, dt.time.fromisoformat(text), dt.UTC)


def frame(schema: Mapping[str, Any], *rows: Sequence[Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, dict(schema), orient="row")


def written(path: Path, schema: pl.Schema, *rows: Sequence[Any]) -> Path:
    """A table of a contract as a file."""
    write_table(frame(schema, *rows), path, schema)
    return path


# --- Tables --------------------------------------------------------------------------------------


def test_a_table_that_breaks_its_contract_is_not_written(tmp_path: Path):
    table = pl.DataFrame({"ip_address": [1], "more": [2]})
    with pytest.raises(ContractError, match=r"x\.parquet: ip_address is Int64, not String"):
        write_table(table, tmp_path / "x.parquet", IPS)
    with pytest.raises(ContractError, match="hash is missing, not Binary"):
        write_table(table, tmp_path / "x.parquet", HASHES)
    assert list(tmp_path.iterdir()) == []


def test_a_table_has_the_columns_of_its_contract_alone(tmp_path: Path):
    table = pl.DataFrame({"more": [2, 1], "ip_address": ["b", "a"]})
    write_table(table, tmp_path / "x.parquet", IPS)
    assert pl.read_parquet(tmp_path / "x.parquet").rows() == [("b",), ("a",)]


def test_a_table_that_stays_the_same_keeps_its_time(tmp_path: Path):
    path = tmp_path / "x.parquet"
    assert write_if_changed(frame(IPS, ("a",)), path, IPS)
    os.utime(path, (1, 1))
    assert not write_if_changed(frame(IPS, ("a",)), path, IPS)
    assert path.stat().st_mtime == 1
    assert write_if_changed(frame(IPS, ("b",)), path, IPS)
    assert path.stat().st_mtime > 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.parquet"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path):
    def frames() -> Iterator[pl.DataFrame]:
        raise UserError("no more")
        yield frame(IPS, ("a",))

    # Polars writes in threads of its own, which may come late: some failures in a hundred show it.
    for number in range(300):
        with pytest.raises(UserError):
            write_table(from_frames(frames(), IPS), tmp_path / f"{number}.parquet", IPS)
    time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


def test_frames_become_one_table(tmp_path: Path):
    frames = (frame(IPS, (text,)) for text in "abc")
    assert from_frames(frames, IPS).collect()["ip_address"].to_list() == ["a", "b", "c"]
    frames = (frame(IPS, (text,)) for text in "abc")
    assert from_frames(frames, IPS).filter(pl.col("ip_address") > "a").head(1).collect().rows() == [
        ("b",)
    ]
    assert from_frames([], IPS).collect().schema == IPS


# --- Bin -----------------------------------------------------------------------------------------


def requests(*rows: tuple) -> pl.LazyFrame:
    """`REDUCED` from (time, address, key, bytes, status)."""
    return frame(REDUCED, *((at(time), *rest) for time, *rest in rows)).lazy()


LARGE = {"worth_compiling": 1}
"""Has months binned as those that are large."""
THREE = requests(
    ("05:00:00", "192.0.2.9", B, 10, 200),
    ("04:00:00", "192.0.2.10", A, 20, 206),
    ("04:00:00", "192.0.2.9", A, 30, 200),
)


def binned(folder: Path, *days: pl.LazyFrame, **limits: int) -> tuple[list[tuple], list[str]]:
    """The bins of a month of such days, and its addresses."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:02}.parquet" for number, _ in enumerate(days, start=1)]
    for path, day in zip(paths, days, strict=True):
        write_table(day, path, REDUCED)
    outputs = {"binned": folder / "binned/b.parquet", "ips": folder / "binned/i.parquet"}
    binning.main(reduced=paths, **outputs, **limits)
    assert {path.name for path in (folder / "binned").iterdir()} == {"b.parquet", "i.parquet"}
    table = pl.read_parquet(outputs["binned"])
    assert table.schema == BINNED
    return table.rows(), pl.read_parquet(outputs["ips"])["ip_address"].to_list()


@pytest.mark.parametrize("limits", [{}, LARGE])
def test_an_object_is_a_row_with_its_requests_in_the_order_of_time_then_of_the_logs(
    tmp_path: Path, limits: dict[str, int]
):
    rows, ips = binned(tmp_path, THREE, **limits)
    assert ips == ["192.0.2.10", "192.0.2.9"]
    assert rows == [
        (A, [at("04:00:00")] * 2, [0, 1], [20, 30], [206, 200]),
        (B, [at("05:00:00")], [1], [10], [200]),
    ]


def test_late_records_take_their_place(tmp_path: Path):
    first = requests(("05:00:00", "-", A, 1, 200), ("03:00:00", "-", A, 2, 200))
    second = requests(("04:00:00", "-", A, 3, 200), ("05:00:00", "-", A, 4, 200))
    for number, limits in enumerate(({}, LARGE, {**LARGE, "at_once": 1, "run": 1, "portion": 1})):
        rows, _ = binned(tmp_path / str(number), first, second, **limits)
        assert [row[3] for row in rows] == [[2, 3, 1, 4]]


@pytest.mark.parametrize(
    ("longest", "pieces"), [(1, [[1], [2], [3]]), (2, [[1, 2], [3]]), (3, [[1, 2, 3]])]
)
def test_long_rows_are_cut(tmp_path: Path, longest: int, pieces: list[list[int]]):
    busy = requests(*(("05:00:00", "-", A, size, 200) for size in (1, 2, 3)))
    others = requests(("05:00:00", "-", B, 1, 200), ("05:00:00", "-", "blobs/0", 1, 200))
    for number, limits in enumerate(({}, LARGE)):
        rows, _ = binned(tmp_path / str(number), busy, others, longest_row=longest, **limits)
        assert [row[0] for row in rows] == ["blobs/0", *[A] * len(pieces), B]
        assert [row[3] for row in rows[1:-1]] == pieces
        assert all(len(row[2]) == len(row[3]) for row in rows)


MANY_DAYS = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 4 * 86_400 - 1),
            st.sampled_from(("-", "192.0.2.9", "192.0.2.10", "2001:db8::1")),
            st.sampled_from((A, B, Z, "blobs/x")),
            st.integers(0, 9),
            st.sampled_from((200, 206)),
        ),
        max_size=12,
    ),
    min_size=1,
    max_size=5,
)


OF_LATER_RUN_ALONE = [
    [(0, "-", A, 0, 200)] * 12 + [(0, "-", B, 0, 200)],
    [(107_206, "-", A, 0, 200)] * 4 + [(107_207, "-", B, 1, 200)],
]
"""A portion may begin with requests of a later run, but go on with those of an earlier one."""


@settings(max_examples=100, deadline=None)
@example(OF_LATER_RUN_ALONE, 1, 1, 100, 3, 1, 1)
@given(
    MANY_DAYS,
    st.sampled_from((1, 1_000)),
    st.integers(0, 20),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 5),
    st.sampled_from((1, 7, 1000)),
)
def test_a_month_is_binned_right_whatever_is_done_at_once(
    days: list[list[tuple]],
    worth_compiling: int,
    at_once: int,
    run: int,
    portion: int,
    longest_row: int,
    unit: int,
):
    """In whichever day's log a request stands, and whatever its time is a multiple of."""
    start = at("00:00:00")
    logs = [[(start + dt.timedelta(milliseconds=s * unit), *rest) for s, *rest in d] for d in days]
    numbers = sorted({row[1] for day in logs for row in day})
    right = []
    for key in sorted({row[2] for day in logs for row in day}):
        of_key = sorted((row for day in logs for row in day if row[2] == key), key=lambda r: r[0])
        for begin in range(0, len(of_key), longest_row):
            times, ips, _, sizes, statuses = zip(*of_key[begin : begin + longest_row], strict=True)
            of_ips = [numbers.index(ip) for ip in ips]
            right.append((key, list(times), of_ips, list(sizes), list(statuses)))
    with tempfile.TemporaryDirectory() as folder:
        made, ips = binned(
            Path(folder),
            *(frame(REDUCED, *rows).lazy() for rows in logs),
            longest_row=longest_row,
            worth_compiling=worth_compiling,
            at_once=at_once,
            run=run,
            portion=portion,
        )
    assert ips == numbers
    assert made == right


def test_a_month_without_requests(tmp_path: Path):
    day = written(tmp_path / "01.parquet", REDUCED)
    binning.main(reduced=[day], binned=tmp_path / "b.parquet", ips=tmp_path / "i.parquet")
    assert pl.read_parquet(tmp_path / "b.parquet").rows() == []
    assert pl.read_parquet(tmp_path / "i.parquet").rows() == []


# --- The listing of Dandisets --------------------------------------------------------------------

COLUMNS = dict.fromkeys(SNAPSHOT, pl.String)
SECOND = "2021-01-01T00:00:00Z"


def snapshot(path: Path, *rows: tuple) -> Path:
    """A snapshot, `.tsv` or `.parquet`, from (Dandiset, version, path, id, kind, created)."""
    table = frame(COLUMNS, *((*row[:5], "1", row[5]) for row in rows))
    if path.suffix == ".parquet":
        table.with_columns(pl.col("size").cast(pl.Int64)).write_parquet(path)
    else:
        table.write_csv(path, separator="\t", quote_style="never")
    return path


def listed(path: Path) -> tuple[list[tuple], list[tuple]]:
    """The assets and the objects that are listed from a snapshot."""
    assets, objects = path.with_suffix(".assets.parquet"), path.with_suffix(".objects.parquet")
    list_dandisets.main(
        snapshot=path, assets=assets, objects=objects, listing=path.with_suffix(".json")
    )
    return pl.read_parquet(assets).rows(), pl.read_parquet(objects).rows()


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_assets_and_objects_of_a_snapshot(tmp_path: Path, suffix: str):
    path = snapshot(
        tmp_path / f"dandisets{suffix}",
        ("000003", "draft", "sub é/b.nwb", "bbbbbb-2", "blob", SECOND),
        ("000003", "draft", "a.zarr", "zzzzzz-3", "zarr", SECOND),
        ("000002", "", "a.nwb", "aaaaaa-1", "blob", SECOND),
    )
    assets, objects = listed(path)
    assert assets == [
        ("000002", "", "a.nwb", A),
        ("000003", "draft", "a.zarr", Z),
        ("000003", "draft", "sub é/b.nwb", B),
    ]
    assert objects == [
        (A, "000002", True, "a.nwb"),
        (B, "000003", True, "sub é/b.nwb"),
        (Z, "000003", True, "a.zarr"),
    ]


@pytest.mark.parametrize(
    ("created", "owner"),
    [
        (("2021-01-01T00:00:00Z", "2021-01-01T00:00:00Z"), "000002"),
        (("2021-01-01T00:00:00.000001Z", "2021-01-01T00:00:00Z"), "000003"),
        (("2021-01-01T00:00:00.5Z", "2021-01-01T00:00:00.500001Z"), "000002"),
        (("2021-01-01T00:00:00.500000Z", "2021-01-01T00:00:00+00:00"), "000003"),
        (("2021-01-02T00:00:00Z", "2021-01-01T23:59:59.999999Z"), "000003"),
    ],
)
def test_the_owner_is_the_first_by_instant_then_by_id(
    tmp_path: Path, created: tuple[str, str], owner: str
):
    rows = [
        (dandiset, "draft", "a.nwb", "aaaaaa-1", "blob", instant)
        for dandiset, instant in zip(("000002", "000003"), created, strict=True)
    ]
    for order in (rows, rows[::-1]):
        _, objects = listed(snapshot(tmp_path / "x.tsv", *order))
        assert [(row[1], row[2]) for row in objects] == [
            ("000002", owner == "000002"),
            ("000003", owner == "000003"),
        ]


def test_the_owner_had_any_asset_of_it_first(tmp_path: Path):
    path = snapshot(
        tmp_path / "x.tsv",
        ("000002", "draft", "a.nwb", "aaaaaa-1", "blob", "2021-01-02T00:00:00Z"),
        ("000003", "draft", "a.nwb", "aaaaaa-1", "blob", "2021-01-03T00:00:00Z"),
        ("000003", "", "old.nwb", "aaaaaa-1", "blob", "2021-01-01T00:00:00Z"),
    )
    assert listed(path)[1] == [(A, "000002", False, "a.nwb"), (A, "000003", True, "a.nwb")]


def test_created_may_be_a_column_of_times(tmp_path: Path):
    rows = [("000003", "draft", "a", "aaaaaa-1", "blob", at("05:00:00"))]
    rows += [("000002", "draft", "a", "aaaaaa-1", "blob", at("05:00:01"))]
    for zone in (None, "UTC", "America/New_York"):
        table = pl.DataFrame([(*row[:5], 1, row[5]) for row in rows], list(SNAPSHOT), orient="row")
        instant = pl.col("created")
        instant = instant.dt.convert_time_zone(zone) if zone else instant.dt.replace_time_zone(None)
        table.with_columns(instant).write_parquet(tmp_path / "x.parquet")
        assert [row[2] for row in listed(tmp_path / "x.parquet")[1]] == [False, True]
        read = read_snapshot(tmp_path / "x.parquet").collect()
        assert read["created"].to_list() == [at("05:00:00"), at("05:00:01")]


@pytest.mark.parametrize(
    ("places", "path"),
    [
        ([("", "gone"), ("0.220126.2143", "old"), ("draft", "new")], "new"),
        ([("", "gone"), ("0.220126.903", "older"), ("0.220126.2143", "old")], "old"),
        ([("0.99.0", "old"), ("0.100.0", "new")], "new"),
        ([("0.220126", "short"), ("0.220126.1", "long")], "long"),
        ([("", "gone"), ("", "away")], "away"),
        ([("draft", "b"), ("draft", "a"), ("draft", "Z")], "Z"),
        ([("draft", "é"), ("draft", "z")], "z"),
    ],
)
def test_the_newest_path(tmp_path: Path, places: list[tuple[str, str]], path: str):
    rows = [("000003", version, place, "aaaaaa-1", "blob", SECOND) for version, place in places]
    assert listed(snapshot(tmp_path / "x.tsv", *rows))[1] == [(A, "000003", True, path)]


GOOD_ROW = ("000003", "draft", "a.nwb", "aaaaaa-1", "blob", SECOND)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        (0, "3", "the Dandiset is not a six-digit id"),
        (0, "undetermined", "the Dandiset is not a six-digit id"),
        (1, "../x", "the version is neither draft, nor a published id, nor empty"),
        (1, "Draft", "the version is neither draft, nor a published id, nor empty"),
        (2, "../a", "the path would leave its folder"),
        (2, "a/../../b", "the path would leave its folder"),
        (2, "/a", "the path would leave its folder"),
        (2, "a//b", "the path would leave its folder"),
        (2, "a/", "the path would leave its folder"),
        (2, "", "the path would leave its folder"),
        (2, "./a", "the path would leave its folder"),
        (2, "a\0b", "the path would leave its folder"),
        (2, "a\x1b[31m", "the path would leave its folder"),
        (3, "", "the content id is not the UUID of a blob or Zarr"),
        (3, "a/b", "the content id is not the UUID of a blob or Zarr"),
        (4, "file", "the kind is neither blob nor zarr"),
        (5, "", "`created` is not a time"),
        (5, "yesterday", "`created` is not a time"),
    ],
)
def test_a_bad_row_is_refused_by_its_number_and_name(
    tmp_path: Path, column: int, value: str, problem: str
):
    bad = (*GOOD_ROW[:column], value, *GOOD_ROW[column + 1 :])
    path = snapshot(tmp_path / "x.tsv", GOOD_ROW, bad, bad)
    with pytest.raises(UserError) as refusal:
        listed(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}, row 3: {problem}")
    assert f"Dandiset {bad[0]!r}, version {bad[1]!r}, path {bad[2]!r}" in message
    assert not (tmp_path / "x.assets.parquet").exists()


def test_a_snapshot_without_a_column_is_refused(tmp_path: Path):
    (tmp_path / "x.tsv").write_text("dandiset\tversion\tpath\n")
    with pytest.raises(UserError, match="no column content_id, kind, size, created"):
        listed(tmp_path / "x.tsv")


def test_a_snapshot_with_more_columns_in_another_order(tmp_path: Path):
    (tmp_path / "x.tsv").write_bytes(
        b"more\tcreated\tsize\tkind\tcontent_id\tpath\tversion\tdandiset\r\n"
        b'x\t2021-01-01T00:00:00Z\t\tblob\taaaaaa-1\t"a".nwb\t\t000003\r\n'
    )
    assert listed(tmp_path / "x.tsv")[0] == [("000003", "", '"a".nwb', A)]


# --- Route ---------------------------------------------------------------------------------------


def test_a_month_gets_only_what_it_needs():
    objects = frame(
        OBJECTS, (A, "000002", True, "a.nwb"), (A, "000003", False, "b"), (B, "4", True, "")
    )
    binned = frame(BINNED, (Z, [], [], [], []), (A, [], [], [], []), (A, [], [], [], []))
    routes = route.routes_of(binned.lazy(), objects.lazy()).collect()
    assert routes.rows() == [
        (A, "000002", True, "Neurophysiology"),
        (A, "000003", False, "Miscellaneous"),
    ]
    assert routes.schema == ROUTES


def test_regions_are_in_the_order_of_the_addresses():
    regions = frame(REGIONS_BY_HASH, (b"1", "US"), (b"2", "DE/Berlin"))
    hashes = frame(HASHES, (b"2",), (b"3",), (b"1",), (b"2",))
    found = route.regions_of(hashes.lazy(), regions.lazy()).collect()
    assert found["region"].to_list() == ["DE/Berlin", "undetermined", "US", "DE/Berlin"]


def test_only_the_months_that_changed_are_written(tmp_path: Path):
    objects = written(tmp_path / "objects.parquet", OBJECTS, (A, "000002", True, "a"))
    months = {"2022-01": A, "2022-02": B}
    binned = [
        written(tmp_path / f"{month}.binned.parquet", BINNED, (key, [], [], [], []))
        for month, key in months.items()
    ]
    hashes = [
        written(tmp_path / f"{month}.hashes.parquet", HASHES, (b"1",), (month.encode(),))
        for month in months
    ]

    def routed(number: int, *regions: tuple[bytes, str]) -> dict[str, int]:
        """When each table was written last."""
        route.main(
            months=list(months)[:number],
            binned=binned[:number],
            hashes=hashes[:number],
            regions=written(tmp_path / "regions.parquet", REGIONS_BY_HASH, *regions),
            objects=objects,
            routed=tmp_path / "lookup/routed.json",
        )
        tables = (tmp_path / "lookup").glob("*.parquet")
        return {path.name: path.stat().st_mtime_ns for path in tables}

    first = routed(2, (b"1", "US"))
    assert len(first) == 4
    assert routed(2, (b"1", "US")) == first
    second = routed(2, (b"1", "US"), (b"2022-02", "DE"), (b"other", "FR"))
    assert {name for name in first if first[name] != second[name]} == {"2022-02.regions.parquet"}
    assert set(routed(1, (b"1", "US"))) == {"2022-01.parquet", "2022-01.regions.parquet"}


# --- Assign --------------------------------------------------------------------------------------

OUTPUTS = (
    "assigned",
    "labels",
    "usage",
    "dandisets_by_day",
    "dandisets_by_region",
    "objects",
    "requesters",
)


def assigned(
    folder: Path,
    rows: pl.LazyFrame,
    routes: Sequence[tuple],
    regions: Mapping[str, str],
    longest_row: int = 1_000_000,
) -> dict[str, list[tuple]]:
    """What is assigned of some requests, by the names of `assign.main`."""
    folder.mkdir(exist_ok=True)
    rows.collect().write_parquet(folder / "reduced.parquet")
    inputs = {
        name: folder / f"{name}.in.parquet" for name in ("binned", "ips", "routes", "regions")
    }
    binning.main(
        reduced=[folder / "reduced.parquet"],
        binned=inputs["binned"],
        ips=inputs["ips"],
        longest_row=longest_row,
    )
    of_ips = pl.read_parquet(inputs["ips"])["ip_address"]
    written(inputs["regions"], REGIONS, *((regions[ip],) for ip in of_ips))
    written(inputs["routes"], ROUTES, *((*row, "Video") for row in routes))
    outputs = {name: folder / f"{name}.parquet" for name in OUTPUTS}
    assign.main(
        binned=inputs["binned"],
        routes=inputs["routes"],
        regions=inputs["regions"],
        asset_logs=True,
        **outputs,
    )
    made = {name: pl.read_parquet(path).rows() for name, path in outputs.items()}
    return {**made, "usage": told(made)}


def told(made: Mapping[str, list[tuple]]) -> list[tuple]:
    """What usage tells: the Dandiset and object, the date or region, and the counts."""
    keys = {
        dandiset: [row[1] for row in made["objects"] if row[0] == dandiset]
        for dandiset in {row[0] for row in made["objects"]}
    }
    usage = []
    for dandiset, number, label, *counted in made["usage"]:
        if label < 1 << 31:
            what = dt.date(1970, 1, 1) + dt.timedelta(days=label - (1 << 30))
        else:
            (what,) = made["labels"][label - (1 << 31)]
        usage.append((dandiset, keys[dandiset][number], what, *counted))
    return usage


WHERE = {"192.0.2.9": "US/Ohio", "192.0.2.10": "DE", "-": "unknown"}


def test_requests_go_to_every_dandiset_that_holds_the_object(tmp_path: Path):
    made = assigned(tmp_path, THREE, [(A, "000002", True), (A, "000003", False)], WHERE)
    assert made["labels"] == [("DE",), ("US/Ohio",)]
    of_a = (A, [at("04:00:00")] * 2, [20, 30], [0, 1])
    assert made["assigned"] == [("000002", *of_a), ("000003", *of_a)]
    assert made["usage"] == [
        ("000002", A, DAY, 50, 2, 1),
        ("000002", A, "DE", 20, 1, 0),
        ("000002", A, "US/Ohio", 30, 1, 1),
        ("000003", A, DAY, 50, 2, 1),
        ("000003", A, "DE", 20, 1, 0),
        ("000003", A, "US/Ohio", 30, 1, 1),
        ("undetermined", "", DAY, 10, 1, 1),
        ("undetermined", "", "US/Ohio", 10, 1, 1),
    ]
    assert made["dandisets_by_day"] == [
        ("000002", "Video", DAY, 50, 2, 1),
        ("undetermined", "Miscellaneous", DAY, 10, 1, 1),
    ]
    assert made["dandisets_by_region"] == [
        ("000002", "DE", 20, 1, 0),
        ("000002", "US/Ohio", 30, 1, 1),
        ("undetermined", "US/Ohio", 10, 1, 1),
    ]
    assert [row[:-1] for row in made["objects"]] == [
        ("000002", A, True, 50, 2, 1, DAY, DAY),
        ("000003", A, False, 50, 2, 1, DAY, DAY),
        ("undetermined", "", True, 10, 1, 1, DAY, DAY),
    ]
    assert made["requesters"] == [("000002", 0), ("000002", 1), ("undetermined", 1)]


def test_what_nobody_holds_is_undetermined_and_one(tmp_path: Path):
    made = assigned(tmp_path, THREE, [], WHERE)
    assert made["assigned"] == []
    assert made["usage"] == [
        ("undetermined", "", DAY, 60, 3, 2),
        ("undetermined", "", "DE", 20, 1, 0),
        ("undetermined", "", "US/Ohio", 40, 2, 2),
    ]
    assert [row[:-1] for row in made["objects"]] == [("undetermined", "", True, 60, 3, 2, DAY, DAY)]


def test_an_object_of_several_rows_is_one_object(tmp_path: Path):
    routes = [(A, "000002", True)]
    whole = assigned(tmp_path / "whole", THREE, routes, WHERE)
    pieces = assigned(tmp_path / "pieces", THREE, routes, WHERE, longest_row=1)
    assert [row[3] for row in pieces["assigned"]] == [[20], [30]]
    for name in set(OUTPUTS) - {"assigned", "objects"}:
        assert pieces[name] == whole[name]
    assert [row[:-1] for row in pieces["objects"]] == [row[:-1] for row in whole["objects"]]


def test_a_large_month_is_assigned_as_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bin by bin, or all at once."""
    rows = requests(
        *(
            (f"0{hour}:00:00", ip, key, hour, 200)
            for hour in range(9)
            for ip in WHERE
            for key in (A, B, Z)
        )
    )
    routes = [(A, "000003", True), (B, "000002", True), (B, "000003", False)]
    whole = assigned(tmp_path / "whole", rows, routes, WHERE, longest_row=4)
    for name in ("AT_ONCE", "PORTION", "SLICE", "ROW_GROUP_SIZE_OF_LARGE_MONTH"):
        monkeypatch.setattr(assign, name, 1)
    assert assigned(tmp_path / "pieces", rows, routes, WHERE, longest_row=4) == whole
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == sorted(
        path.name for path in (tmp_path / "pieces").iterdir()
    )


def digest(folder: Path, rows: Sequence[tuple], regions: Mapping[str, str] = WHERE) -> int:
    """The digest of an object's requests."""
    [row] = assigned(folder, requests(*rows), [(A, "000002", True)], regions)["objects"]
    return row[-1]


SAME = [("05:00:00", "192.0.2.9", A, 1, 200), ("05:00:00", "-", A, 2, 206)]


@pytest.mark.parametrize(
    "rows",
    [
        [("05:00:01", "192.0.2.9", A, 1, 200), SAME[1]],
        [("05:00:00", "192.0.2.10", A, 1, 200), SAME[1]],
        [("05:00:00", "192.0.2.9", A, 3, 200), SAME[1]],
        [("05:00:00", "192.0.2.9", A, 1, 206), SAME[1]],
        [("05:00:00", "192.0.2.9", A, 2, 200), ("05:00:00", "-", A, 1, 206)],
        [("05:00:00", "192.0.2.9", A, 1, 206), ("05:00:00", "-", A, 2, 200)],
        SAME[::-1],
        SAME[:1],
        [*SAME, SAME[1]],
    ],
)
def test_the_digest_changes_with_every_field_and_the_order(tmp_path: Path, rows: list[tuple]):
    assert digest(tmp_path, rows) != digest(tmp_path, SAME)


def test_the_digest_depends_on_what_is_shown_alone(tmp_path: Path):
    """Not on the address, nor on how regions and addresses are numbered in the month."""
    renamed = {**WHERE, "198.51.100.1": "US/Ohio", "192.0.2.0": "AA/first"}
    other = [("05:00:00", "198.51.100.1", A, 1, 200), SAME[1]]
    assert digest(tmp_path, other, renamed) == digest(tmp_path, SAME)
    more = requests(*other, ("01:00:00", "192.0.2.0", B, 9, 200))
    of_both = assigned(tmp_path, more, [(A, "000002", True), (B, "000003", True)], renamed)
    assert of_both["objects"][0][-1] == digest(tmp_path, SAME)


def test_a_digest_is_the_same_for_ever(tmp_path: Path):
    """It stands in files: another one would map every Dandiset again."""
    assert digest(tmp_path, SAME) == 464721939921941982


# --- Gather --------------------------------------------------------------------------------------


def gathered(folder: Path, months: Mapping[str, Mapping[str, list[tuple]]]) -> dict[str, Any]:
    """Gather months that are given as rows of `objects`, `requesters` and `hashes`."""
    files = {
        name: [
            written(folder / f"{month}.{name}.parquet", schema, *tables[name])
            for month, tables in months.items()
        ]
        for name, schema in {
            "objects": DIGESTS,
            "requesters": REQUESTERS,
            "hashes": HASHES,
        }.items()
    }
    assets = {"dandiset": pl.String, "version": pl.String, "path": pl.String}
    gather.main(
        months=list(months),
        **files,
        dandiset_assets=written(
            folder / "assets.parquet",
            pl.Schema({**assets, "object_key": pl.String}),
            ("000002", "draft", "a.nwb", A),
            ("000002", "draft", "unused.nwb", B),
            ("000003", "draft", "b.nwb", B),
        ),
        dandiset_objects=written(
            folder / "objects.parquet",
            OBJECTS,
            (A, "000002", True, "a.nwb"),
            (B, "000002", False, "unused.nwb"),
            (B, "000003", True, "b.nwb"),
        ),
        gathered=folder / "activity/gathered.json",
        mapped=folder / "mapped",
    )
    return json.loads((folder / "activity/gathered.json").read_text())


JANUARY = {
    "objects": [
        ("000002", A, True, 50, 5, 4, DAY, DAY, 111),
        ("undetermined", "", True, 10, 1, 0, DAY, DAY, 112),
    ],
    "requesters": [("000002", 0), ("000002", 1), ("undetermined", 0)],
    "hashes": [(b"x",), (b"y",)],
}
FEBRUARY = {
    "objects": [("000002", A, True, 70, 7, 6, DAY, DAY, 222)],
    "requesters": [("000002", 0), ("000002", 1)],
    "hashes": [(b"w",), (b"x",)],
}


def test_a_dandiset_gets_what_all_months_have_of_it(tmp_path: Path):
    found = gathered(tmp_path, {"2022-01": JANUARY, "2022-02": FEBRUARY})
    assert found["archive"] == {"number_of_requesters": 3}
    assert {name: of["number_of_requesters"] for name, of in found["dandisets"].items()} == {
        "000002": 3,
        "undetermined": 1,
    }
    activity = pl.read_parquet(tmp_path / "activity/000002.parquet")
    assert activity.schema == ACTIVITY
    assert activity.rows() == [
        (A, True, "2022-01", 50, 5, 4, 111, 3),
        (A, True, "2022-02", 70, 7, 6, 222, 3),
    ]
    assets = pl.read_parquet(tmp_path / "activity/000002.assets.parquet")
    assert assets.schema == PLACEMENTS
    assert assets.rows() == [(A, "a.nwb", "draft", "a.nwb")]


def test_only_the_dandisets_that_changed_are_written(tmp_path: Path):
    gathered(tmp_path, {"2022-01": JANUARY})
    paths = sorted((tmp_path / "activity").glob("*.parquet"))
    times = {path: path.stat().st_mtime_ns for path in paths}
    changed = {
        **JANUARY,
        "objects": [JANUARY["objects"][0], (*JANUARY["objects"][1][:-1], 113)],
    }
    gathered(tmp_path, {"2022-01": changed})
    now = {path: path.stat().st_mtime_ns for path in paths}
    assert [path.name for path in paths if times[path] != now[path]] == ["undetermined.parquet"]


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: pl.DataFrame({"object_key": ["x"]}).write_parquet(path),
        lambda path: pl.read_parquet(path).reverse().write_parquet(path),
        lambda path: pl.read_parquet(path).head(1).write_parquet(path),
        lambda path: pl.read_parquet(path).clear().write_parquet(path),
    ],
    ids=["gone", "damaged", "of another contract", "in another order", "cut short", "empty"],
)
def test_a_table_that_is_not_as_it_shall_be_is_written_again(tmp_path: Path, harm: Callable):
    months = {"2022-01": JANUARY, "2022-02": FEBRUARY}
    gathered(tmp_path, months)
    path = tmp_path / "activity/000002.parquet"
    right = path.read_bytes()
    harm(path)
    gathered(tmp_path, months)
    assert path.read_bytes() == right


def test_a_dandiset_without_activity_any_more_goes(tmp_path: Path):
    gathered(tmp_path, {"2022-01": JANUARY})
    for name in ("000002", "undetermined"):
        (tmp_path / "mapped" / name / "draft").mkdir(parents=True)
    (tmp_path / "mapped/archive_totals.json").write_text("{}")
    found = gathered(tmp_path, {"2022-02": FEBRUARY})
    assert list(found["dandisets"]) == ["000002"]
    assert {path.name for path in (tmp_path / "mapped").iterdir()} == {
        "000002",
        "archive_totals.json",
    }
    assert not list((tmp_path / "activity").glob("undetermined*"))


def test_nothing_to_gather(tmp_path: Path):
    found = gathered(tmp_path, {})
    assert found == {"archive": {"number_of_requesters": 0}, "dandisets": {}}


# --- Map -----------------------------------------------------------------------------------------


def mapped(folder: Path, placements: Iterable[tuple], *, asset_logs: bool = True) -> dict[str, str]:
    """The files of a Dandiset that holds A, asked for three times, at (version, path) each."""
    rows = requests(
        ("05:00:00", "192.0.2.9", A, 10, 200),
        ("05:00:00", "-", A, 20, 206),
        ("04:00:00", "192.0.2.9", A, 30, 200),
    )
    assigned(folder / "assigned", rows, [(A, "000002", True)], WHERE)
    for path in (folder / "assigned").glob("*.parquet"):
        if ".in." not in path.name:
            name = "2022-05" if path.stem == "assigned" else f"2022-05.{path.stem}"
            path.rename(path.with_name(f"{name}.parquet"))
    mapping.main(
        dandiset="000002",
        activity=written(
            folder / "activity.parquet", ACTIVITY, (A, True, "2022-05", 60, 3, 2, 1, 2)
        ),
        assets=written(
            folder / "assets.parquet",
            PLACEMENTS,
            *((A, "newest.nwb", version, path) for version, path in placements),
        ),
        assigned=folder / "assigned",
        asset_logs=asset_logs,
        folder=folder / "mapped/000002",
    )
    root = folder / "mapped/000002"
    return {
        path.relative_to(root).as_posix(): path.read_text("utf-8")
        for path in root.rglob("*")
        if path.is_file()
    }


LOG = (
    "timestamp\tbytes_sent\tregion\n"
    "2022-05-01T04:00:00\t30\tUS/Ohio\n"
    "2022-05-01T05:00:00\t10\tUS/Ohio\n"
    "2022-05-01T05:00:00\t20\tunknown\n"
)
FIGURES = "bytes_sent\tnumber_of_requests\tnumber_of_downloads"


def test_the_files_of_a_dandiset(tmp_path: Path):
    files = mapped(tmp_path, [("draft", "sub/a é.nwb"), ("draft", "b.nwb"), ("", "gone.nwb")])
    totals = json.loads(files.pop("dandiset_totals.json"))
    assert totals["total_bytes_sent"] == 60
    assert totals["number_of_requesters"] == 2
    assert totals["by_version"] == {
        "draft": {"bytes_sent": 120, "number_of_requests": 6, "number_of_downloads": 4}
    }
    assert files == {
        "dandiset_summary_by_day.tsv": f"date\t{FIGURES}\n2022-05-01\t60\t3\t2\n",
        "dandiset_summary_by_region.tsv": f"region\t{FIGURES}\n"
        "US/Ohio\t40\t2\t2\nunknown\t20\t1\t0\n",
        "dandiset_summary_by_asset.tsv": f"asset_path\t{FIGURES}\nnewest.nwb\t60\t3\t2\n",
        "dandiset_summary_by_asset_type_per_week.tsv": "week_start\tNeurophysiology\n"
        "2022-04-25\t60\n",
        "draft/version_summary_by_day.tsv": f"date\t{FIGURES}\n2022-05-01\t120\t6\t4\n",
        "draft/version_summary_by_region.tsv": f"region\t{FIGURES}\n"
        "US/Ohio\t80\t4\t4\nunknown\t40\t2\t0\n",
        "draft/version_summary_by_asset.tsv": f"asset_path\t{FIGURES}\n"
        "b.nwb\t60\t3\t2\nsub/a é.nwb\t60\t3\t2\n",
        "draft/sub/a é.nwb.tsv": LOG,
        "draft/b.nwb.tsv": LOG,
    }


def test_a_dandiset_is_mapped_afresh(tmp_path: Path):
    stale = tmp_path / "mapped/000002/0.1.1/old.tsv"
    stale.parent.mkdir(parents=True)
    stale.write_text("old")
    files = mapped(tmp_path, [("draft", "a.nwb")], asset_logs=False)
    assert not any(name.startswith("0.1.1") or name == "draft/a.nwb.tsv" for name in files)
    assert [path.name for path in (tmp_path / "mapped").iterdir()] == ["000002"]


@pytest.mark.parametrize(
    "paths",
    [
        ("a", "a.tsv/b"),
        ("a.tsv/b", "a"),
        ("version_summary_by_day", "b"),
        ("x" * 252, "b"),
    ],
    ids=["file before folder", "folder before file", "summary", "name too long for a file"],
)
def test_logs_whose_names_are_taken_or_impossible_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, paths: tuple[str, str]
):
    with caplog.at_level(logging.WARNING):
        files = mapped(tmp_path, [("draft", path) for path in paths])
    assert files["draft/version_summary_by_day.tsv"].endswith("\t6\t4\n")
    assert len([name for name, text in files.items() if text == LOG]) == 1
    assert any("draft" in record.getMessage() for record in caplog.records)


MANY_MONTHS = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 3 * 86_400 - 1),
            st.sampled_from(sorted(WHERE)),
            st.sampled_from((A, B, Z)),
            st.integers(0, 9),
            st.just(200),
        ),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40, deadline=None)
@given(MANY_MONTHS, st.integers(1, 9), st.integers(1, 4), st.integers(1, 5))
def test_logs_are_in_the_order_of_time_whatever_is_in_memory_at_once(
    months: list[list[tuple]], at_once: int, longest_row: int, cut: int
):
    """Also of requests that a later month has."""
    start = at("00:00:00")
    paths = {A: "a.nwb", B: "b/b.nwb", Z: "z.zarr"}
    right: dict[str, list[tuple]] = {}
    activity = []
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        for number, rows in enumerate(months, start=1):
            timed = [(start + dt.timedelta(seconds=s), *rest) for s, *rest in rows]
            made = assigned(
                folder / f"{number}",
                frame(REDUCED, *timed).lazy(),
                [(key, "000002", True) for key in (A, B, Z)],
                # Regions are numbered otherwise in each month.
                {ip: f"{number * 7 % 5}/{region}" for ip, region in WHERE.items()},
                longest_row,
            )
            for output in OUTPUTS:
                kind = "" if output == "assigned" else f".{output}"
                source = folder / f"{number}/{output}.parquet"
                (folder / "assigned").mkdir(exist_ok=True)
                source.rename(folder / f"assigned/2022-0{number}{kind}.parquet")
            activity += [
                (row[1], True, f"2022-0{number}", *row[3:6], 0, 1) for row in made["objects"]
            ]
            for time, ip, key, size, _ in timed:
                region = f"{number * 7 % 5}/{WHERE[ip]}"
                right.setdefault(key, []).append((f"{time:%Y-%m-%dT%H:%M:%S}", str(size), region))
        patch.setattr(mapping, "AT_ONCE", at_once)
        patch.setattr(mapping, "SLICE", cut)
        mapping.main(
            dandiset="000002",
            activity=written(folder / "activity.parquet", ACTIVITY, *sorted(activity)),
            assets=written(
                folder / "assets.parquet",
                PLACEMENTS,
                *((key, paths[key], "draft", paths[key]) for key in sorted(right)),
            ),
            assigned=folder / "assigned",
            asset_logs=True,
            folder=folder / "mapped/000002",
        )
        for key, rows in right.items():
            log = (folder / f"mapped/000002/draft/{paths[key]}.tsv").read_text().splitlines()
            in_order = sorted(rows, key=lambda row: row[0])
            assert log == ["timestamp\tbytes_sent\tregion", *map("\t".join, in_order)]
        everything = [row for rows in right.values() for row in rows]
        for kind, of_row in (
            ("day", lambda row: row[0][:10]),
            ("region", lambda row: row[2]),
        ):
            table = folder / f"mapped/000002/dandiset_summary_by_{kind}.tsv"
            version = folder / f"mapped/000002/draft/version_summary_by_{kind}.tsv"
            assert table.read_text() == version.read_text()
            told_of = [line.split("\t") for line in table.read_text().splitlines()[1:]]
            groups = {
                label: [int(row[1]) for row in everything if of_row(row) == label]
                for label in map(of_row, everything)
            }
            assert sorted(told_of) == [
                [label, str(sum(sizes)), str(len(sizes)), str(len(sizes))]
                for label, sizes in sorted(groups.items())
            ]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_portions_hold_every_object_once(size: int):
    keys = ["a", "b", "c", "d"]
    activity = frame(ACTIVITY, *((key, True, "2022-05", 0, 1, 1, 0, 1) for key in keys + keys[:2]))
    portions = [portion.to_list() for portion in mapping.portions(activity, size)]
    assert [key for portion in portions for key in portion] == keys


# --- Usage ---------------------------------------------------------------------------------------


def test_a_download_is_status_200_alone():
    table = pl.DataFrame({"bytes_sent": [1, 2, 3, 4], "status": [200, 206, 201, 200]})
    assert table.select(counts()).rows() == [(10, 4, 2)]


USAGE = {
    "date": pl.Date,
    "region": pl.String,
    "bytes_sent": pl.Int64,
    "number_of_requests": pl.Int64,
    "number_of_downloads": pl.Int64,
}


def test_orders_of_rows():
    usage = frame(
        USAGE,
        (dt.date(2022, 5, 2), "b", 5, 1, 1),
        (dt.date(2022, 5, 1), "a", 5, 1, 0),
        (dt.date(2022, 5, 2), "é", 7, 2, 0),
        (dt.date(2022, 5, 1), "Z", 5, 1, 0),
        (dt.date(2022, 5, 1), "b", 0, 1, 0),
    )
    assert by_date(usage).rows() == [
        (dt.date(2022, 5, 1), 10, 3, 0),
        (dt.date(2022, 5, 2), 12, 3, 1),
    ]
    assert by_label(usage, "region").rows() == [
        ("é", 7, 2, 0),
        ("Z", 5, 1, 0),
        ("a", 5, 1, 0),
        ("b", 5, 2, 1),
    ]


SUFFIXES = ["nwb", "nii", "ome", "zarr", "gz", "tif", "mp4", "json", "NWB", "Zarr", "GZ", "", "v1"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([*SUFFIXES, "a", "a/b", "/"]), min_size=1, max_size=5).map(
            ".".join
        ),
        min_size=1,
    )
)
def test_asset_types_are_those_of_the_oracle(paths: list[str]):
    types = pl.DataFrame({"path": paths}).select(asset_type("path")).to_series().to_list()
    assert types == [oracle.asset_type(path) for path in paths]


def test_weeks_begin_on_monday_and_have_a_column_for_each_type_that_occurs():
    days = [dt.date(2022, 1, 2), dt.date(2022, 1, 3), dt.date(2022, 1, 9), dt.date(2021, 12, 27)]
    types = ["Video", "Miscellaneous", "Video", "Video"]
    usage = pl.DataFrame({"date": days, "asset_type": types, "bytes_sent": [1, 2, 4, 8]})
    weeks = by_type_per_week(usage)
    assert weeks.columns == ["week_start", "Video", "Miscellaneous"]
    assert weeks.rows() == [(dt.date(2021, 12, 27), 9, 0), (dt.date(2022, 1, 3), 4, 2)]


# --- What jobs need ------------------------------------------------------------------------------


def test_a_job_asks_for_what_its_input_needs_and_never_fails_for_lack_of_it(tmp_path: Path):
    (tmp_path / "a").write_bytes(bytes(2_000_000))
    files = [str(tmp_path / "a"), str(tmp_path / "not yet made")]
    assert by_size(500, 10)(None, files, 1) == 520
    assert by_size(500, 10)(None, files[1:], 2) == 1000
    assert by_size(500, 10, most=510)(None, files, 3) == 1530


def test_a_dandisets_job_asks_for_what_its_requests_need(tmp_path: Path):
    table = tmp_path / "gathered.json"
    job = SimpleNamespace(gathered=str(table)), SimpleNamespace(dandiset="000108")
    needed = by_requests(1000, 100, most=4000)
    assert needed(job[1], job[0], 1) == 1000
    for requests_then, memory in ((7_000_000, 1700), (900_000_000, 4000)):
        table.write_text(
            json.dumps({"dandisets": {"000108": {"number_of_requests": requests_then}}})
        )
        os.utime(table, ns=(requests_then, requests_then))
        assert needed(job[1], job[0], 1) == memory
    assert needed(SimpleNamespace(dandiset="000003"), job[0], 2) == 2000


# --- Publish -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        *((0, "<50"), (1, "<50"), (49, "<50"), (50, 60), (59, 60), (60, 60), (69, 60), (70, 80)),
        *((89, 80), (90, 100), (10**15 + 9, 10**15)),
    ],
)
def test_rounding(count: int, shown: int | str):
    assert pl.select(publish.rounded(pl.lit(count), 50, 20)).item() == str(shown)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 500), min_size=1), st.integers(1, 120), st.integers(1, 60))
def test_rounding_is_that_of_the_oracle(exact: list[int], minimum: int, round_to: int):
    """Half up, never below the minimum, whatever the two are."""
    table = pl.DataFrame({"count": exact}, schema={"count": pl.Int64})
    shown = table.select(publish.rounded(pl.col("count"), minimum, round_to)).to_series()
    right = [oracle.round_count(count, minimum=minimum, round_to=round_to) for count in exact]
    assert shown.to_list() == [str(count) for count in right]


@pytest.mark.parametrize(
    "rows",
    [
        ["US\t5\t60\t1", "DE\t0\t60\t1"],
        ["US\t0\t60\t1"],
        ["DE\t0\t60\t1", "US\t0\t3\t1"],
    ],
)
def test_the_regions_that_are_published(tmp_path: Path, rows: list[str]):
    """No region without bytes, for its marker would have no size; but at least one row."""
    table = "\n".join([f"region\t{FIGURES}", *rows, ""])
    (tmp_path / "000002").mkdir()
    (tmp_path / "000002/dandiset_summary_by_region.tsv").write_text(table)
    (tmp_path / "archive_summary_by_region.tsv").write_text(table)
    (tmp_path / "archive_summary_by_day.tsv").write_text(f"date\t{FIGURES}\n")
    found = _counts.rows_of_summaries(tmp_path, ["000002"])
    parsed = [oracle.Row(*[int(c) if c.isdigit() else c for c in row.split("\t")]) for row in rows]
    left = [(row.label, row.bytes_sent) for row in oracle.without_zero_bytes(parsed)]
    for name in ("000002", "archive"):
        listed = found.filter("listed", pl.col("name") == name)
        assert listed.select("label", "bytes_sent").rows() == left


def counted(requests: int, downloads: int) -> dict[str, int]:
    figures = (3, requests, downloads)
    return dict(zip(COUNTED, figures, strict=True))


def test_totals_keep_what_is_not_of_people():
    kinds = {"cloud": counted(70, 49), "github": counted(0, 0), "vpn": counted(400, 400)}
    exact = {
        **{"total_bytes_sent": 3, "number_of_unique_regions": 2, "number_of_requesters": 2},
        **{"total_number_of_requests": 470, "total_number_of_downloads": 449},
        **{"by_kind_of_requester": kinds, "by_version": {"draft": counted(470, 449)}},
    }
    rows = _counts.rows_of_totals({"000002": exact})
    versions = pl.DataFrame(schema=["name", "version", "label"])
    counts = publish.Counts(
        _counts.shown(
            rows,
            versions.cast(pl.String),
            50,
            20,
            lambda count, untold: publish.published_count(count, untold, 50, 20),
        )
    )
    told = counts.totals("000002", exact)
    assert told == exact | {
        "number_of_requesters": "<50",
        "total_number_of_requests": 480,
        "total_number_of_downloads": 440,
        "by_kind_of_requester": {
            "cloud": {"bytes_sent": 3, **shown_as("hidden", "<50")},
            "github": {"bytes_sent": 3, **shown_as("<50", "<50")},
            "vpn": {"bytes_sent": 3, **shown_as(400, 400)},
        },
        "by_version": {"draft": {"bytes_sent": 3, **shown_as(480, 440)}},
    }


def shown_as(requests: int | str, downloads: int | str) -> dict[str, int | str]:
    return {"number_of_requests": requests, "number_of_downloads": downloads}


# --- Hashes --------------------------------------------------------------------------------------


@pytest.fixture
def no_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IP_HASH_SALT", raising=False)


@pytest.mark.usefixtures("no_salt")
def test_a_salt_is_made_once_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    cache = tmp_path / "cache"
    with caplog.at_level(logging.WARNING):
        key = read_salt(cache)
        assert read_salt(cache) == key
    assert re.fullmatch(rb"[0-9a-f]{64}", key)
    assert (cache / "salt").read_bytes() == key + b"\n"
    [record] = caplog.records
    assert "IP_HASH_SALT is not set, so a random salt was made" in record.getMessage()
    assert key.decode() not in record.getMessage()
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in cache.iterdir()} == {
        "salt": 0o600,
        "salt.fingerprint": 0o600,
    }
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_a_salt_of_the_environment_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IP_HASH_SALT", " 0123abcd\n")
    assert read_salt(tmp_path) == b"0123abcd"
    assert [path.name for path in tmp_path.iterdir()] == ["salt.fingerprint"]
    assert "0123abcd" not in (tmp_path / "salt.fingerprint").read_text()


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ("first-salt", "second-salt", "The salt is not the one that"),
        ("", "second-salt", "The salt is not the one that"),
        ("first-salt", "", "IP_HASH_SALT is not set, but"),
    ],
)
def test_another_salt_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, now: str, message: str
):
    monkeypatch.setenv("IP_HASH_SALT", before)
    key = read_salt(tmp_path)
    monkeypatch.setenv("IP_HASH_SALT", now)
    with pytest.raises(UserError, match=message) as refusal:
        read_salt(tmp_path)
    assert str(tmp_path) in str(refusal.value)
    assert key.decode() not in str(refusal.value)
    monkeypatch.setenv("IP_HASH_SALT", before)
    assert read_salt(tmp_path) == key


@pytest.mark.usefixtures("no_salt")
def test_jobs_that_ask_at_once_get_the_same_salt(tmp_path: Path):
    code = "import sys, pathlib, _hashes; print(_hashes.read_salt(pathlib.Path(sys.argv[1])))"
    scripts = Path(__file__).parents[1] / "scripts"
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(scripts)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(6)
    ]
    assert len({job.communicate()[0] for job in jobs}) == 1
    assert {job.returncode for job in jobs} == {0}
    assert {path.name for path in tmp_path.iterdir()} == {"salt", "salt.fingerprint"}


def test_a_hash_is_keyed():
    assert hash_address(b"a", "192.0.2.1") != hash_address(b"b", "192.0.2.1")
    assert len(hash_address(b"a", "-")) == 32
    assert fingerprint(b"a") != fingerprint(b"b")
