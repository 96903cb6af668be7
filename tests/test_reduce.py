"""Reducing a raw day: what it writes, in whatever form and blocks the day is read."""

import functools
import gzip
import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import _raw_logs
import oracle
import polars as pl
import pytest
import reduce
import simulate
import workflow
import zstandard
from _log import UserError
from _tables import REDUCED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_lines import HOSTILE_SHAPES, Content, successful_get

DATE = simulate.EXAMPLE_DAY_WITHOUT_USE
BLOB = Content("blob", "1234abcd-1111-4111-8111-111111111111", 5_000)
OPERATION = "REST.GET.OBJECT"


def lines_of_all_shapes() -> list[bytes]:
    """A line of every hostile shape, each between two clean ones."""
    rng = Random(1)
    lines = []
    for shape in HOSTILE_SHAPES.values():
        get = successful_get(rng, simulate.start_of(DATE), "192.0.2.1", BLOB)
        lines += [HOSTILE_SHAPES["fields_30"](rng, get), shape(rng, get)]
    return lines


LINES = lines_of_all_shapes()
CONTENT = b"\n".join(LINES) + b"\n"


@dataclass(frozen=True)
class Reduced:
    """Where a day is reduced to."""

    folder: Path

    def main(self, raw: Path, exclude_ips: Sequence[str] = ()) -> "Reduced":
        reduce.main(
            raw=raw,
            requests=self.folder / "01.parquet",
            counts=self.folder / "01.json",
            operation=OPERATION,
            exclude_ips=list(exclude_ips),
        )
        return self

    @property
    def requests(self) -> list[tuple]:
        table = pl.read_parquet(self.folder / "01.parquet")
        assert table.schema == REDUCED
        return table.rows()

    @property
    def counts(self) -> dict[str, int]:
        return json.loads((self.folder / "01.json").read_text())

    @property
    def malformed(self) -> list[bytes] | None:
        path = self.folder / "01.malformed"
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else None

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()


@pytest.fixture
def reduced(tmp_path: Path) -> Reduced:
    return Reduced(tmp_path / "reduced/2022/05")


@pytest.fixture(params=["compiled", "exact"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Days are read by the compiled loop, as large ones are, or without it, as small ones are."""
    size = 0 if request.param == "compiled" else 1 << 40
    monkeypatch.setattr(reduce, "WORTH_COMPILING", size)


def by_oracle(lines: Sequence[bytes], exclude_ips: Sequence[str] = ()) -> tuple[dict, list[tuple]]:
    excluded = [oracle.parse_network(block) for block in exclude_ips]
    counts, kept = oracle.reduce_day(lines, operation=OPERATION, excluded=excluded)
    return counts, [tuple(request) for request in kept]


def write(folder: Path, name: str, content: bytes) -> Path:
    """A day, compressed as its name says."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if name.endswith(".gz"):
        content = gzip.compress(content)
    if name.endswith(".zst"):
        content = zstandard.ZstdCompressor(write_checksum=True).compress(content)
    path.write_bytes(content)
    return path


# --- Every form ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", ["01.log", "01.log.gz", "01.log.zst"])
def test_a_file_is_reduced_as_the_oracle_says(tmp_path: Path, reduced: Reduced, name: str):
    reduced.main(write(tmp_path, name, CONTENT))
    counts, requests = by_oracle(LINES)
    assert reduced.counts == counts
    assert reduced.requests == requests
    assert reduced.files == {"01.parquet", "01.json", "01.malformed"}


def test_the_counts_add_up(tmp_path: Path, reduced: Reduced):
    reduced.main(write(tmp_path, "01.log", CONTENT))
    counts = reduced.counts
    assert counts.pop("lines") == sum(counts.values()) == len(LINES)
    assert set(counts) == set(oracle.CLASSES)
    assert len(reduced.requests) == counts["kept"]
    assert len(reduced.malformed) == counts["malformed"]


@pytest.mark.usefixtures("either_way")
def test_a_folder_is_read_file_by_file_in_the_order_of_names(tmp_path: Path, reduced: Reduced):
    folder = tmp_path / "01"
    third = len(LINES) // 3
    parts = {"b.zst": LINES[third : 2 * third], "a": LINES[:third], "c.gz": LINES[2 * third :]}
    for name, lines in parts.items():
        write(folder, name, b"\n".join(lines))  # none ends in a newline
    write(folder, ".hidden", CONTENT)
    (folder / "folder").mkdir()
    reduced.main(folder)
    counts, requests = by_oracle(LINES)
    empty_at_end = sum(lines[-1] == b"" for lines in parts.values())
    assert empty_at_end == 0
    assert (reduced.counts, reduced.requests) == (counts, requests)


def test_compressed_parts_follow_each_other(tmp_path: Path, reduced: Reduced):
    halves = (CONTENT[:5_000], CONTENT[5_000:])
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, compress in (("1.gz", gzip.compress), ("2.zst", zstandard.compress)):
        (raw / name).write_bytes(b"".join(compress(half) for half in (*halves, b"")))
    reduced.main(raw)
    assert reduced.requests == by_oracle(LINES)[1] * 2


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\r\n", CONTENT[:-1], CONTENT + b"x", CONTENT + b"\r", b"\xef\xbb\xbf"]
)
def test_ends_of_files(tmp_path: Path, reduced: Reduced, content: bytes):
    path = write(tmp_path, "01.log", content)
    reduced.main(path)
    assert (reduced.counts, reduced.requests) == by_oracle(list(oracle.read_day(path)))


def test_an_empty_folder_is_a_day_without_lines(tmp_path: Path, reduced: Reduced):
    (tmp_path / "01").mkdir()
    assert reduced.main(tmp_path / "01").counts["lines"] == 0
    assert reduced.requests == []


# --- Malformed lines -----------------------------------------------------------------------------


def test_malformed_lines_stand_whole_behind_their_file_and_number(tmp_path: Path, reduced: Reduced):
    path = write(tmp_path, "01.log", CONTENT)
    reduced.main(path)
    assert reduced.malformed == [
        b"01.log:%d:%s" % (number, line)
        for number, line in enumerate(LINES, 1)
        if by_oracle([line])[0]["malformed"]
    ]
    assert stat.S_IMODE((reduced.folder / "01.malformed").stat().st_mode) == 0o600


def test_lines_are_numbered_by_file(tmp_path: Path, reduced: Reduced):
    write(tmp_path / "01", "a", b"\n\nodd\n")
    write(tmp_path / "01", "b", b"odd as well \xff\r\n\nend")
    reduced.main(tmp_path / "01")
    assert reduced.malformed == [b"a:3:odd", b"b:1:odd as well \xff\r", b"b:3:end"]


def test_no_file_where_no_line_is_malformed(tmp_path: Path, reduced: Reduced):
    reduced.main(write(tmp_path, "01.log", LINES[0] + b"\n\n"))
    assert reduced.files == {"01.parquet", "01.json"}


def test_what_was_malformed_before_is_gone(tmp_path: Path, reduced: Reduced):
    reduced.main(write(tmp_path, "01.log", b"odd\n"))
    assert reduced.malformed == [b"01.log:1:odd"]
    reduced.main(write(tmp_path, "01.log", LINES[0]))
    assert reduced.files == {"01.parquet", "01.json"}
    assert len(reduced.requests) == 1


# --- Files that cannot be read -------------------------------------------------------------------


def broken(name: str, spoil: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    """How to write a day that is spoilt after its compression."""

    def write_broken(folder: Path) -> Path:
        path = write(folder, name, CONTENT)
        path.write_bytes(spoil(path.read_bytes()))
        return path

    return write_broken


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("name", ["01.log.gz", "01.log.zst"])
@pytest.mark.parametrize(
    "spoil",
    [
        *(lambda content, part=part: content[: len(content) * part // 8] for part in range(1, 8)),
        lambda content: content[:1],
        lambda content: content[:-1],
        flipped,
        lambda content: b"x" + content,
        lambda content: content + b"x",
        lambda content: CONTENT,
    ],
)
def test_a_file_that_cannot_be_decompressed_to_its_end_is_refused(
    tmp_path: Path, reduced: Reduced, name: str, spoil: Callable[[bytes], bytes]
):
    path = broken(name, spoil)(tmp_path)
    with pytest.raises(
        UserError, match=r"cannot be decompressed to its end .*Fetch it again\.$"
    ) as e:
        reduced.main(path)
    assert str(e.value).startswith(str(path))
    assert reduced.files == set()


@pytest.mark.parametrize("name", ["01.log.gz", "01.log.zst"])
def test_a_compressed_file_without_a_byte_is_refused(tmp_path: Path, reduced: Reduced, name: str):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="cannot be decompressed to its end"):
        reduced.main(tmp_path / name)


def test_a_message_holds_nothing_of_a_line(tmp_path: Path, reduced: Reduced):
    path = broken("01.log.gz", lambda content: content[:-10])(tmp_path)
    with pytest.raises(UserError) as error:
        reduced.main(path)
    assert "192.0.2.1" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_file_that_vanished_is_told_of(tmp_path: Path, reduced: Reduced):
    with pytest.raises(UserError, match=r"01\.log vanished .* Run again\."):
        reduced.main(tmp_path / "01.log")
    assert reduced.files == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told_of(tmp_path: Path, reduced: Reduced):
    path = write(tmp_path, "01.log", CONTENT)
    path.chmod(0)
    with pytest.raises(UserError, match=r"01\.log cannot be read: Permission denied\."):
        reduced.main(path)
    assert reduced.files == set()


def test_a_file_that_the_system_cannot_read_is_told_of(tmp_path: Path, reduced: Reduced):
    path = write(tmp_path, "01.log", CONTENT) / "02.log"
    with pytest.raises(UserError, match=r"02\.log cannot be read: Not a directory\."):
        reduced.main(path)
    assert reduced.files == set()


@pytest.mark.parametrize("size", [64, 1 << 20])
def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, size: int):
    path = write(tmp_path, "01.log", CONTENT)
    blocks = _raw_logs.blocks(path, size)
    next(blocks)
    with path.open("ab") as file:
        file.write(LINES[0])
    with pytest.raises(UserError, match=r"01\.log changed while it was read\. Run again"):
        list(blocks)


def test_a_run_that_fails_leaves_what_was_there(tmp_path: Path, reduced: Reduced):
    path = write(tmp_path, "01.log.gz", CONTENT)
    reduced.main(path)
    before = {name: (reduced.folder / name).read_bytes() for name in reduced.files}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError):
        reduced.main(path)
    assert {name: (reduced.folder / name).read_bytes() for name in reduced.files} == before


# --- Blocks --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("size", [64, 400, 1_000, 7_919])
@pytest.mark.parametrize("name", ["01.log", "01.log.gz", "01.log.zst"])
def test_the_size_of_blocks_changes_nothing(
    tmp_path: Path, reduced: Reduced, monkeypatch: pytest.MonkeyPatch, name: str, size: int
):
    path = write(tmp_path, name, CONTENT)
    large = Reduced(tmp_path / "large").main(path)
    monkeypatch.setattr(reduce, "blocks", functools.partial(_raw_logs.blocks, size=size))
    reduced.main(path)
    assert reduced.counts == large.counts
    assert reduced.requests == large.requests
    assert reduced.malformed == large.malformed


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.binary(max_size=30) | st.just(b"\n") | st.just(b"x" * 300)).map(b"".join),
    st.integers(1, 100),
    st.sampled_from(["log", "log.gz", "log.zst"]),
)
def test_blocks_are_whole_lines_and_all_of_them(
    tmp_path: Path, content: bytes, size: int, suffix: str
):
    path = write(tmp_path, f"01.{suffix}", content)
    blocks = list(_raw_logs.blocks(path, size))
    assert b"".join(block.content for block in blocks) == content
    assert all(block.content.endswith(b"\n") for block in blocks[:-1])
    assert all(block.content for block in blocks)
    assert {block.file for block in blocks} <= {path}


@pytest.mark.usefixtures("either_way")
def test_a_line_longer_than_many_blocks(
    tmp_path: Path, reduced: Reduced, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reduce, "blocks", functools.partial(_raw_logs.blocks, size=100))
    long = b"x" * 50_000
    reduced.main(write(tmp_path, "01.log", b"\n".join([LINES[0], long, LINES[0], long])))
    assert reduced.counts["lines"] == 4
    assert len(reduced.requests) == 2
    assert reduced.malformed == [b"01.log:2:" + long, b"01.log:4:" + long]


# --- Excluded addresses --------------------------------------------------------------------------


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    ("exclude_ips", "left"),
    [
        ([], 6),
        (["192.0.2.1"], 5),
        (["192.0.2.0/31", "10.0.0.0/8"], 4),
        (["192.0.2.99/24"], 4),
        (["2001:db8::/32"], 4),
        (["2001:0DB8:0::1"], 4),
        (["0.0.0.0/0", "::/0"], 1),
    ],
)
def test_excluded_addresses(tmp_path: Path, reduced: Reduced, exclude_ips: list[str], left: int):
    ips = ["192.0.2.1", "192.0.2.2", "10.1.2.3", "2001:db8::1", "2001:DB8:0::1", "-"]
    lines = [
        HOSTILE_SHAPES["fields_18"](
            Random(0), successful_get(Random(0), simulate.start_of(DATE), ip, BLOB)
        )
        for ip in ips
    ]
    reduced.main(write(tmp_path, "01.log", b"\n".join(lines)), exclude_ips)
    assert len(reduced.requests) == left
    assert reduced.counts["excluded_ip"] == len(ips) - left
    assert (reduced.counts, reduced.requests) == by_oracle(lines, exclude_ips)


# --- Runs ----------------------------------------------------------------------------------------


def test_days_that_cannot_be_read_hold_up_no_other_one(tmp_path: Path):
    """Each is named with its remedy, leaves nothing behind, and is done once it is mended."""
    month = tmp_path / "raw/2022/05"
    broken("01.log.gz", lambda content: content[:-100])(month)
    broken("02.log.zst", flipped)(month)
    write(month, "03.log", CONTENT)
    write(month / "04", "a.gz", CONTENT)
    write(month / "04", "b.gz", b"")
    config = {"raw_logs": str(tmp_path / "raw")}
    told = workflow.output_of(workflow.run(tmp_path, "reduce_all", config=config, fails=True))
    for name in ("01.log.gz", "02.log.zst"):
        assert f"{month}/{name} cannot be decompressed to its end (" in told
    assert "Fetch it again." in told
    assert "192.0.2.1" not in told
    reduced = tmp_path / "results/reduced/2022/05"
    made = {f"{day}.{kind}" for day in ("03", "04") for kind in ("parquet", "json", "malformed")}
    assert {path.name for path in reduced.iterdir()} == made
    for name in ("01.log.gz", "02.log.zst"):
        write(month, name, CONTENT)
    assert workflow.jobs_of(workflow.run(tmp_path, "reduce_all", config=config))["reduce"] == 2
    counts = {json.dumps(json.loads(path.read_text())) for path in reduced.glob("*.json")}
    assert len(counts) == 1
