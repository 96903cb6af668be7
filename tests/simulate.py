"""Simulate the workflow's input: raw days, Dandisets, region data; always the same for a seed.

    simulate.py example DIR     the bundled example
    simulate.py day FILE        one raw day of any size, for benchmarks
    simulate.py reduced DIR     a month of reduced days, for benchmarks
    simulate.py archive DIR     a whole archive of many small days
    simulate.py random DIR      a small archive with everything odd in it, for property tests

An archive is a folder with raw logs, a Dandiset snapshot, region data and a configuration. All
addresses are documentation, benchmarking or private ones; `random` adds two of AS112, a service of
the Internet's own, because no documentation address is globally routable.
"""

import argparse
import calendar
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
from archive_parts import (
    ADDRESSES,
    ROUTABLE_ADDRESSES,
    Asset,
    content_of_name,
    day_path,
    open_to_write,
    random_content,
    shuffled_addresses,
    start_of,
    times_of_day,
    write_config,
    write_delivered,
    write_lines,
    write_regions,
    write_services,
    write_snapshot,
    zipf,
)
from log_lines import (
    BUCKET,
    HOSTILE_SHAPES,
    OWNER,
    Content,
    hostile_line,
    log_time,
    ordinary_line,
    successful_get,
)

# --- The bundled example ------------------------------------------------------------------------

BEHAVIOR = "sub-YutaMouse20/sub-YutaMouse20_ses-140321_behavior.nwb"
SPIM = "sub-MITU01/ses-20220311h/micr/sub-MITU01_ses-20220311h_sample"

EXAMPLE_ASSETS = (
    # Dandiset, name of the content, kind, size, created, {version: path}
    ("000001", "demo", "blob", 18_512, "2020-03-15T21:58:29.123456Z", {"draft": "sub-01/a.nwb"}),
    ("000001", "demo table", "blob", 731, "2020-03-15T22:01:00Z", {"draft": "participants.json"}),
    # Renamed after its first publication.
    (
        "000003",
        "behavior",
        "blob",
        412_873_104,
        "2021-03-10T08:15:30.120000Z",
        {
            "0.210813.1807": "YutaMouse20/behavior.nwb",
            "0.230629.1955": BEHAVIOR,
            "draft": BEHAVIOR,
        },
    ),
    # Of the first publication only.
    (
        "000003",
        "behavior, first half",
        "blob",
        200_110_032,
        "2021-03-10T08:15:31Z",
        {"0.210813.1807": "YutaMouse20/behavior_part1.nwb"},
    ),
    # Of no version any more.
    (
        "000003",
        "uploaded by mistake",
        "blob",
        9_002_113,
        "2021-02-01T11:00:00.500000Z",
        {"": "YutaMouse20/copy of behavior.nwb"},
    ),
    # Shared: 000026 had it first, half a second earlier, though its text sorts later.
    (
        "000003",
        "atlas",
        "blob",
        5_310_227,
        "2021-03-04T05:06:07.500000Z",
        {"0.230629.1955": "atlas/regions.json", "draft": "atlas/regions.json"},
    ),
    (
        "000026",
        "atlas",
        "blob",
        5_310_227,
        "2021-03-04T05:06:07Z",
        {"0.220126.2143": "derivatives/atlas.json", "draft": "derivatives/atlas.json"},
    ),
    (
        "000026",
        "slice",
        "blob",
        88_200_001,
        "2021-06-01T10:00:00.000001Z",
        {"0.220126.2143": "sub-I38/micr/slice 12.tif", "draft": "sub-I38/micr/slice 12.tif"},
    ),
    # The same content at two paths of the draft.
    (
        "000026",
        "description",
        "blob",
        1_204,
        "2021-06-01T10:05:00Z",
        {"0.220126.2143": "sub-I38/micr/slice.json", "draft": "sub-I38/micr/slice.json"},
    ),
    (
        "000026",
        "description",
        "blob",
        1_204,
        "2021-11-20T10:05:00Z",
        {"draft": "derivatives/micr/slice.json"},
    ),
    (
        "000026",
        "volume",
        "zarr",
        71_000_000_000,
        "2021-12-01T09:09:09.090909Z",
        {"0.220126.2143": "sub-I38/micr/volume.ome.zarr", "draft": "sub-I38/micr/volume.ome.zarr"},
    ),
    *(
        (
            "000108",
            f"sample {number}",
            "zarr",
            900_000_000_000,
            f"2021-12-2{number}T17:30:00.250000Z",
            {"draft": f"{SPIM}-{number}_SPIM.ome.zarr"},
        )
        for number in range(3)
    ),
    # Published once, then taken out of the draft.
    (
        "000108",
        "sample shadow",
        "zarr",
        4_000_000_000,
        "2021-12-20T17:30:00Z",
        {"0.211224.0815": f"{SPIM}-shadow_SPIM.ome.zarr"},
    ),
    (
        "000233",
        "video",
        "blob",
        1_310_722_048,
        "2021-12-11T12:13:14.151617Z",
        {"draft": "sub-CGM3/sub-CGM3_video.mp4"},
    ),
    (
        "000233",
        "recording",
        "blob",
        640_771_200,
        "2021-12-11T12:13:15Z",
        {"draft": "sub-CGM3/sub-CGM3_ecephys.nwb"},
    ),
    (
        "000233",
        "behavior",
        "blob",
        412_873_104,
        "2021-12-12T00:00:00Z",
        {"draft": "related/sub-YutaMouse20.nwb"},
    ),
    ("000487", "grid", "zarr", 310_000, "2022-04-30T23:59:59.999999Z", {"draft": "maps/grid.zarr"}),
    # Nobody asks for it.
    ("000560", "unseen", "blob", 2_048, "2022-05-02T06:00:00Z", {"draft": "sub-x/x.nwb"}),
)

UNSEEN = content_of_name("blob", "unseen", 2_048)
NOWHERE = (
    content_of_name("blob", "nobody's", 77_123),
    content_of_name("zarr", "nobody's", 55_000_000),
)
"""Contents that no Dandiset lists."""


@dataclass(frozen=True)
class ExampleDay:
    """A day of the example: its form, its requests, and how many bear an earlier date."""

    date: dt.date
    suffix: str
    requests: int
    late: int = 0
    final_newline: bool = True


EXAMPLE_DAYS = (
    ExampleDay(dt.date(2021, 12, 30), ".log", 30),
    ExampleDay(dt.date(2021, 12, 31), ".log.gz", 40, late=2),
    ExampleDay(dt.date(2022, 1, 1), ".log", 35, late=4),
    ExampleDay(dt.date(2022, 1, 20), ".log.zst", 50),
    ExampleDay(dt.date(2022, 5, 1), ".log", 45, late=3, final_newline=False),
    ExampleDay(dt.date(2022, 5, 2), "", 60, late=5),
)
EXAMPLE_DAY_WITHOUT_USE = dt.date(2022, 5, 3)


def example_assets() -> list[Asset]:
    """The example's Dandisets, in the order of their versions."""
    return [
        Asset(dandiset, version, path, content_of_name(kind, name, size), created)
        for dandiset, name, kind, size, created, paths in EXAMPLE_ASSETS
        for version, path in paths.items()
    ]


def example_requests(rng: Random, day: ExampleDay, contents: Sequence[Content]) -> list[bytes]:
    """The clean lines of a day: some late ones first, then in the order of their times."""
    weights = [6 if content.kind == "zarr" else 2 for content in contents]
    late = times_of_day(rng, day.date - dt.timedelta(1), day.late)
    times = [*late, *times_of_day(rng, day.date, day.requests - day.late)]
    return [
        ordinary_line(rng, time, rng.choice(ADDRESSES), content)
        for time, content in zip(times, rng.choices(contents, weights, k=len(times)), strict=True)
    ]


def hostile_lines_of(
    rng: Random, shapes: Iterable[str], day: dt.date, contents: Sequence[Content]
) -> list[bytes]:
    """One line of each shape, at any time of a day."""
    return [
        HOSTILE_SHAPES[shape](
            rng,
            successful_get(
                rng,
                times_of_day(rng, day, 1)[0],
                rng.choice(ADDRESSES),
                rng.choice(contents),
            ),
        )
        for shape in shapes
    ]


def scattered(rng: Random, lines: Sequence[bytes], among: Sequence[bytes]) -> list[bytes]:
    """Some lines put anywhere but last among others."""
    mixed = list(among)
    for line in lines:
        mixed.insert(rng.randrange(len(mixed)), line)
    return mixed


def write_example_raw(raw: Path) -> None:
    """Write the example's raw days: every ordinary kind, every hostile shape."""
    rng = Random(2022)
    known = {asset.content: None for asset in example_assets() if asset.content != UNSEEN}
    contents = [*known, *NOWHERE]
    for index, day in enumerate(EXAMPLE_DAYS):
        shapes = list(HOSTILE_SHAPES)[index :: len(EXAMPLE_DAYS)]
        hostile = hostile_lines_of(rng, shapes, day.date, contents)
        lines = scattered(rng, hostile, example_requests(rng, day, contents))
        if day.suffix:
            path = day_path(raw, day.date, day.suffix)
            write_lines(path, lines, final_newline=day.final_newline)
        else:
            parts = [lines[start::3] for start in range(3)]
            write_delivered(rng, day_path(raw, day.date, ""), day.date, parts)
    write_example_day_without_use(rng, raw, contents)


def write_example_day_without_use(rng: Random, raw: Path, contents: Sequence[Content]) -> None:
    """Write a day on which nothing was asked for but listings and lifecycles."""
    shapes = ("bucket_operation", "lifecycle", "batch_unquoted")
    lines = hostile_lines_of(rng, shapes, EXAMPLE_DAY_WITHOUT_USE, contents)
    write_lines(day_path(raw, EXAMPLE_DAY_WITHOUT_USE), lines)


def example(folder: Path) -> None:
    """Write the bundled example."""
    write_example_raw(folder / "raw")
    write_snapshot(folder / "dandisets.tsv", example_assets())
    write_regions(folder / "regions.mmdb")
    write_services(folder / "services")


# --- One raw day of any size --------------------------------------------------------------------

DISTINCT_ENDINGS = 100_000
"""How many different ends of lines a simulated day is put together from, at most."""

LINES_AT_A_TIME = 10_000


def day(
    path: Path,
    *,
    size: float = 1e9,
    lines: int | None = None,
    seed: int = 0,
    hostile: float = 0.01,
    date: dt.date = dt.date(2022, 5, 1),
    objects: int = 50_000,
    addresses: int = 20_000,
) -> int:
    """Write a raw day of about `size` bytes, or of exactly so many lines; returns their number.

    Three quarters of the requests are for chunks of Zarr stores; objects and addresses follow
    Zipf's law. Each line is a time, an address and an ending, which recurs with other times and
    addresses on other lines; `hostile` is the share of lines of the hostile shapes. Takes some
    160 MB of memory, whatever the size.
    """
    rng = Random(seed)
    numbers = np.random.default_rng(seed)
    contents = contents_of_day(rng, objects)
    estimate = int(size / 400) if lines is None else lines
    endings = endings_of_lines(rng, date, contents, min(DISTINCT_ENDINGS, estimate))
    starts = starts_of_lines(date)
    clients = [ip.encode() for ip in shuffled_addresses(rng, addresses)]
    if lines is None:
        lines = round(size / mean_length(starts, clients, endings))

    with open_to_write(path) as file:
        for first in range(0, lines, LINES_AT_A_TIME):
            last = min(first + LINES_AT_A_TIME, lines)
            seconds = seconds_of_lines(numbers, first, last, lines)
            pieces = pieces_of_lines(numbers, [starts[s] for s in seconds], clients, endings)
            for place in np.flatnonzero(numbers.random(last - first) < hostile).tolist():
                time = start_of(date) + dt.timedelta(0, seconds[place])
                client = clients[zipf(rng, addresses)].decode()
                line = hostile_line(rng, time, client, rng.choice(contents))
                pieces[3 * place : 3 * place + 3] = (line, b"", b"\n")
            file.write(b"".join(pieces))
    return lines


def contents_of_day(rng: Random, count: int) -> list[Content]:
    """So many objects to ask for, a third of them Zarr stores."""
    return [random_content(rng, "blob" if index % 3 else "zarr") for index in range(count)]


def endings_of_lines(
    rng: Random, date: dt.date, contents: Sequence[Content], count: int
) -> list[bytes]:
    r"""What follows the address, from the space before the requester to the `\n`."""
    stores = [content for content in contents if content.kind == "zarr"]
    blobs = [content for content in contents if content.kind == "blob"] or stores
    endings = []
    for _ in range(count):
        asked = stores if rng.random() < 0.75 else blobs
        line = ordinary_line(rng, start_of(date), "-", asked[zipf(rng, len(asked))])
        endings.append(b" " + line.split(b" ", 5)[5] + b"\n")
    return endings


def pieces_of_lines(
    numbers: np.random.Generator,
    starts: Sequence[bytes],
    clients: Sequence[bytes],
    endings: Sequence[bytes],
) -> list[bytes]:
    """For each start of a line three pieces: the start, any client, any ending."""
    count = len(starts)
    pieces = [b""] * (3 * count)
    pieces[0::3] = starts
    pieces[1::3] = [clients[index] for index in zipf_array(numbers, len(clients), count).tolist()]
    pieces[2::3] = [endings[i] for i in numbers.integers(len(endings), size=count).tolist()]
    return pieces


def starts_of_lines(date: dt.date) -> list[bytes]:
    """What precedes the address, for each second of a day."""
    midnight = start_of(date)
    return [
        f"{OWNER} {BUCKET} {log_time(midnight + dt.timedelta(0, second))} ".encode()
        for second in range(86_400)
    ]


def mean_length(*parts: Sequence[bytes]) -> float:
    """The mean length of lines put together from one piece of each part."""
    return sum(sum(map(len, pieces)) / len(pieces) for pieces in parts)


def seconds_of_lines(numbers: np.random.Generator, first: int, last: int, total: int) -> list[int]:
    """The second of the day of the lines from `first` to `last`, rising, but a little unsorted."""
    even = np.arange(first, last) * (86_400 / total)
    return np.clip(even + numbers.normal(0, 30, last - first), 0, 86_399).astype(int).tolist()


def zipf_array(numbers: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Indices below `count`, each about as often as 1 / (index + 1)."""
    return ((count + 1) ** numbers.random(size)).astype(np.int64).clip(1, count) - 1


# --- A month of reduced days --------------------------------------------------------------------

REDUCED_SCHEMA = {
    "timestamp": pl.Datetime("ms", "UTC"),
    "ip_address": pl.String,
    "object_key": pl.String,
    "bytes_sent": pl.Int64,
    "status": pl.UInt16,
}
CLASSES = (
    "empty",
    "malformed",
    "other_operation",
    "excluded_ip",
    "other_key",
    "unsuccessful",
    "kept",
)


def reduced(
    folder: Path,
    *,
    year: int = 2022,
    month: int = 5,
    requests: int = 20_000_000,
    keys: int = 50_000,
    addresses: int = 100_000,
    seed: int = 0,
) -> None:
    """Write a month of reduced days, one Zarr store being asked for in half of the requests.

    The other objects and the addresses follow Zipf's law. One day is in memory at a time.
    """
    rng = Random(seed)
    numbers = np.random.default_rng(seed)
    days = calendar.monthrange(year, month)[1]
    object_keys = pl.Series([content.object_key for content in contents_of_day(rng, keys)])
    clients = pl.Series(shuffled_addresses(rng, addresses))
    out = folder / "reduced" / f"{year:04}" / f"{month:02}"
    out.mkdir(parents=True, exist_ok=True)
    for index in range(days):
        count = requests * (index + 1) // days - requests * index // days
        date = dt.date(year, month, index + 1)
        table = reduced_day(numbers, date, count, object_keys, clients)
        table.write_parquet(out / f"{date:%d}.parquet")
        counts = {"lines": count, **dict.fromkeys(CLASSES, 0), "kept": count}
        (out / f"{date:%d}.json").write_text(json.dumps(counts, indent=2) + "\n")


def reduced_day(
    numbers: np.random.Generator, date: dt.date, count: int, keys: pl.Series, clients: pl.Series
) -> pl.DataFrame:
    """The kept requests of a day, almost in time order; the first key holds half of them."""
    midnight = int(start_of(date).replace(tzinfo=dt.UTC).timestamp())
    seconds = np.array(seconds_of_lines(numbers, 0, count, count), dtype=np.int64)
    other = 1 + zipf_array(numbers, len(keys) - 1, count)
    key = np.where(numbers.random(count) < 0.5, 0, other)
    is_part = numbers.random(count) < 0.15
    columns = {
        "timestamp": (midnight + seconds) * 1000,
        "ip_address": clients.gather(zipf_array(numbers, len(clients), count)),
        "object_key": keys.gather(key),
        "bytes_sent": numbers.lognormal(11, 2, count).astype(np.int64),
        "status": np.where(is_part, 206, 200),
    }
    return pl.DataFrame(columns).cast(REDUCED_SCHEMA)


# --- A whole archive of small days --------------------------------------------------------------

PATHS = (
    "sub-{n:02}/sub-{n:02}_ecephys.nwb",
    "sub-{n:02}/sub-{n:02}_video.mp4",
    "sub-{n:02}/micr/slice {n}.tif",
    "sub-{n:02}/micr/sample-{n}.ome.zarr",
    "derivatives/carte-{n}-é.json",
    "grid_{n}.zarr",
    "README-{n}",
)


def archive(
    folder: Path,
    *,
    days: int = 2588,
    dandisets: int = 1000,
    lines_per_day: int = 40,
    seed: int = 0,
) -> Path:
    """Write a whole archive of small days from 2019-10-01 on; returns its configuration.

    Each day touches up to three Dandisets, the same few more often than others.
    """
    refuse_old_archive(folder)
    rng = Random(seed)
    held = [random_contents(rng, 4) for _ in range(dandisets)]
    for index in range(days):
        date = dt.date(2019, 10, 1) + dt.timedelta(index)
        touched = [content for _ in range(3) for content in held[zipf(rng, dandisets)]]
        lines = [
            ordinary_line(rng, time, rng.choice(ADDRESSES), rng.choice(touched))
            for time in times_of_day(rng, date, lines_per_day)
        ]
        write_lines(day_path(folder / "raw", date), lines)
    write_snapshot(folder / "snapshot.tsv", archive_assets(held))
    write_regions(folder / "regions.mmdb")
    services = write_services(folder / "services")
    return write_config(folder, regions={"services": services})


def refuse_old_archive(folder: Path) -> None:
    """Raise FileExistsError where the days of another archive would mix with the new ones."""
    if (folder / "raw").exists():
        raise FileExistsError(f"{folder} holds an archive already: name a new folder, or delete it")


def random_contents(rng: Random, count: int) -> list[Content]:
    """Some blobs and Zarr stores, half of each."""
    return [random_content(rng, "zarr" if index % 2 else "blob") for index in range(count)]


def archive_assets(held: Sequence[Sequence[Content]]) -> Iterator[Asset]:
    """Each Dandiset's contents as assets of its draft, and all but the last as a version's."""
    for index, contents in enumerate(held):
        for version, assets in (("0.220126.2143", contents[:-1]), ("draft", contents)):
            for number, content in enumerate(assets):
                path = PATHS[3 if content.kind == "zarr" else 0].format(n=number)
                created = f"2019-09-{1 + index % 30:02}T01:02:{number:02}Z"
                yield Asset(f"{index + 1:06}", version, path, content, created)


# --- A small random archive ---------------------------------------------------------------------

SUFFIXES = (".log", ".log.gz", ".log.zst", "")


def random_archive(folder: Path, seed: int) -> Path:
    """Write a small archive with everything odd in it; returns the path of its configuration.

    A few days in one to three months, in every form, unsorted, with late records and lines of all
    shapes; Dandisets that share, rename, duplicate and remove assets; and settings that vary.
    """
    refuse_old_archive(folder)
    rng = Random(seed)
    assets = random_assets(rng)
    contents = [*dict.fromkeys(asset.content for asset in assets), *random_contents(rng, 2)]
    for date in random_dates(rng):
        write_random_day(rng, folder / "raw", date, contents)
    write_snapshot(folder / "snapshot.tsv", assets)
    write_regions(folder / "regions.mmdb")
    services = write_services(folder / "services")
    return write_config(folder, **random_settings(rng, services))


def random_dates(rng: Random) -> list[dt.date]:
    """One to three days in each of one to three months, which may span the turn of a year."""
    first = rng.choice(((2021, 11), (2021, 12), (2022, 5)))
    months = [(first[0] + (first[1] + n - 1) // 12, (first[1] + n - 1) % 12 + 1) for n in range(3)]
    chosen = rng.sample(months, rng.randrange(1, 4))
    return sorted(
        dt.date(year, month, number)
        for year, month in chosen
        for number in rng.sample((1, 2, 15, 28), rng.randrange(1, 4))
    )


def write_random_day(rng: Random, raw: Path, date: dt.date, contents: Sequence[Content]) -> None:
    """Write a day of some dozens of lines, in any form."""
    lines = [random_line(rng, date, contents) for _ in range(rng.choice((0, 1, 30, 60, 120)))]
    suffix = rng.choice(SUFFIXES)
    path = day_path(raw, date, suffix)
    if suffix:
        write_lines(path, lines, final_newline=rng.random() < 0.7)
    else:
        count = rng.randrange(1, 4)
        write_delivered(rng, path, date, [lines[start::count] for start in range(count)])


def random_line(rng: Random, date: dt.date, contents: Sequence[Content]) -> bytes:
    """A line of a random day: a fifth are hostile, some are of the day or the month before."""
    days_late = rng.choices((0, 1, 31), (90, 6, 4))[0]
    time = times_of_day(rng, date - dt.timedelta(days_late), 1)[0]
    ip = rng.choice((*ADDRESSES, *ROUTABLE_ADDRESSES))
    make = hostile_line if rng.random() < 0.2 else ordinary_line
    return make(rng, time, ip, contents[zipf(rng, len(contents))])


def random_assets(rng: Random) -> list[Asset]:
    """Up to five Dandisets that hold some of the same contents in up to four versions each."""
    contents = random_contents(rng, rng.randrange(4, 16))
    numbers = sorted(rng.sample(range(1, 1000), rng.randrange(1, 6)))
    return [asset for number in numbers for asset in random_dandiset(rng, number, contents)]


def random_dandiset(rng: Random, number: int, contents: Sequence[Content]) -> list[Asset]:
    """The assets of all versions; a path is there once in a version, a content perhaps twice."""
    versions = ["", "0.210813.1807", "0.220126.903", "0.220126.2143", "draft"]
    paths = [pattern.format(n=n) for pattern in PATHS for n in range(3)]
    assets = []
    for version in rng.sample(versions, rng.randrange(1, len(versions) + 1)):
        for path in rng.sample(paths, rng.randrange(1, 7)):
            content = rng.choice(contents)
            assets.append(Asset(f"{number:06}", version, path, content, random_instant(rng)))
    return assets


def random_instant(rng: Random) -> str:
    """One of a few instants, with or without a fraction, so that equal and close ones occur."""
    fraction = rng.choice(("", "", ".000001", ".500000", f".{rng.randrange(10**6):06}"))
    return f"2021-03-04T05:06:0{rng.randrange(6, 9)}{fraction.removesuffix('.000000')}Z"


def random_settings(rng: Random, services: dict[str, str]) -> dict[str, Any]:
    """Settings that change the figures: excluded addresses, who is asked for regions, rounding."""
    excluded = rng.choice(([], [], ["10.0.0.0/8", "2001:db8:1::/48"], ["192.0.2.77"]))
    labels = rng.choice((list(services), list(services), ["VPN", "GCP"], []))
    minimum, round_to = rng.choice(((50, 20), (50, 20), (10, 5)))
    return {
        "exclude": {"ips": excluded},
        "regions": {
            "provider": rng.choice(("mmdb", "mmdb", "mmdb", "none")),
            "services": {label: services[label] for label in labels},
        },
        "privacy": {"minimum": minimum, "round_to": round_to},
    }


# --- Command line -------------------------------------------------------------------------------


def quantity(text: str) -> int:
    """A number of bytes, lines or requests, perhaps as `2e9`."""
    return int(float(text))


def parser() -> argparse.ArgumentParser:
    """The command line: one command per artefact."""
    main = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = main.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Any, name: str, target: str) -> argparse.ArgumentParser:
        summary = function.__doc__.split("\n")[0]
        added = commands.add_parser(name, help=summary, description=summary)
        added.add_argument("target", metavar=target, type=Path)
        added.set_defaults(function=function)
        return added

    command(example, "example", "DIR")

    of_day = command(day, "day", "FILE")
    of_day.add_argument("--bytes", dest="size", type=quantity, default=10**9)
    of_day.add_argument("--lines", type=quantity, help="instead of --bytes")
    of_day.add_argument("--hostile", type=float, default=0.01, help="share of hostile lines")
    of_day.add_argument("--date", type=dt.date.fromisoformat, default=dt.date(2022, 5, 1))
    of_day.add_argument("--objects", type=quantity, default=50_000)
    of_day.add_argument("--addresses", type=quantity, default=20_000)

    of_month = command(reduced, "reduced", "DIR")
    of_month.add_argument("--year", type=int, default=2022)
    of_month.add_argument("--month", type=int, default=5)
    of_month.add_argument("--requests", type=quantity, default=20_000_000)
    of_month.add_argument("--keys", type=quantity, default=50_000)
    of_month.add_argument("--addresses", type=quantity, default=100_000)

    of_archive = command(archive, "archive", "DIR")
    of_archive.add_argument("--days", type=quantity, default=2588)
    of_archive.add_argument("--dandisets", type=quantity, default=1000)
    of_archive.add_argument("--lines-per-day", type=quantity, default=40)

    of_random = command(random_archive, "random", "DIR")
    for seeded in (of_day, of_month, of_archive, of_random):
        seeded.add_argument("--seed", type=int, default=0)
    return main


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = vars(parser().parse_args(arguments))
    function, target = options.pop("function"), options.pop("target")
    function(target, **options)


if __name__ == "__main__":
    main()
