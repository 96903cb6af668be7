"""Reduce a raw day to the requests that count."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import _threads  # noqa: F401
import polars as pl
from _addresses import Networks, unlabelled
from _files import PRIVATE_FILE, replacing, write_json
from _log import logging_to
from _log_lines import CLASSES, Rules, read
from _memory import keep_freed_memory
from _object_store import StoredDay, at_hand
from _raw_logs import blocks
from _tables import REDUCED, from_frames, write_table

log = logging.getLogger(__name__)

ROW_GROUP_SIZE = 1 << 19


class Excluded:
    """Answers whether an address is excluded; each is looked up once in a day."""

    def __init__(self, blocks: Iterable[str]) -> None:
        self._networks = Networks(unlabelled(blocks))
        self._answers: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        if address not in self._answers:
            self._answers[address] = address in self._networks
        return self._answers[address]


class Reduction:
    """One pass over a day's lines that keeps account of them.

    Attributes:
        counts: Lines per class so far.
    """

    def __init__(self, rules: Rules, malformed: BinaryIO) -> None:
        self.counts = dict.fromkeys(CLASSES, 0)
        self._rules = rules
        self._malformed = malformed
        self._lines_before: Counter[Path] = Counter()

    def kept(self, day: Path) -> Iterator[pl.DataFrame]:
        """The kept requests of a day, block by block, in the columns of `REDUCED`.

        Malformed lines are put aside, whole, behind their file and line number.
        """
        for file, content in blocks(day):
            classes, kept, malformed = read(content, self._rules)
            for name, count in classes.value_counts().iter_rows():
                self.counts[name] += count
            for row, line in malformed:
                number = self._lines_before[file] + row + 1
                self._malformed.write(f"{file.name}:{number}:".encode() + line + b"\n")
            self._lines_before[file] += len(classes)
            yield kept.select(REDUCED.names())


def main(
    *, raw: Path, requests: Path, counts: Path, operation: str, exclude_ips: list[str]
) -> None:
    """Reduce a raw day.

    Args:
        raw: The day as S3 wrote it: a file, or a folder of delivered files.
        requests: Where the kept requests go: `REDUCED`, in the order of the lines. Private.
        counts: Where the account goes: JSON with `lines` and a number per class; malformed lines
            go whole to `{day}.malformed` beside it (absent when there are none). Private.
        operation: The operation to keep.
        exclude_ips: Addresses and CIDR blocks whose requests are left out.

    Raises:
        UserError: A file cannot be read to its end.
    """
    keep_freed_memory()
    malformed = counts.with_suffix(".malformed")
    with replacing(malformed) as aside, aside.open("wb") as lines:
        aside.chmod(PRIVATE_FILE)
        reduction = Reduction(Rules(operation, Excluded(exclude_ips)), lines)
        write_table(
            from_frames(reduction.kept(raw), REDUCED),
            requests,
            REDUCED,
            row_group_size=ROW_GROUP_SIZE,
        )
    if not reduction.counts["malformed"]:
        malformed.unlink()
    write_json(counts, {"lines": sum(reduction.counts.values()), **reduction.counts})
    log.info("%s: %s", raw, reduction.counts)


def raw_at_hand(
    raw: str, stored: dict[str, Any] | None, config: dict[str, Any], requests: Path
) -> AbstractContextManager[Path]:
    """Where the raw day is: there already, or fetched from its object store for this job alone."""
    if stored is None:
        return nullcontext(Path(raw))
    folder = requests.with_name(f".{requests.stem}.raw.part")
    return at_hand(StoredDay(**stored), config["storage"]["s3"], folder)


if "snakemake" in globals():
    with (
        logging_to(snakemake.log[0]),
        raw_at_hand(
            snakemake.input.raw[0],
            snakemake.params.stored,
            snakemake.config,
            Path(snakemake.output.requests),
        ) as raw,
    ):
        main(
            raw=raw,
            requests=Path(snakemake.output.requests),
            counts=Path(snakemake.output.counts),
            operation=snakemake.params.operation,
            exclude_ips=snakemake.config["exclude"]["ips"],
        )
