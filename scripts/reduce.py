"""Reduce a raw day to the requests that count."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

import _threads  # noqa: F401
import polars as pl
from _files import PRIVATE_FILE, replacing, write_json
from _log import logging_to
from _log_lines import CLASSES, Excluded, Rules, read
from _memory import keep_freed_memory
from _object_store import StoredDay, at_hand
from _raw_logs import blocks, size_of
from _tables import REDUCED, from_frames, write_table

log = logging.getLogger(__name__)

ROW_GROUP_SIZE = 1 << 19
WORTH_COMPILING = 4 << 20
"""Bytes of a day from which on the compiled loop is worth its loading."""


class Reduction:
    """One pass over a day's lines that keeps account of them.

    Attributes:
        counts: Lines per class so far.
    """

    def __init__(self, rules: Rules, malformed: BinaryIO) -> None:
        self.counts = dict.fromkeys(CLASSES, 0)
        self._rules = rules
        self._malformed = malformed

    def kept(self, day: Path) -> Iterator[pl.DataFrame]:
        """The kept requests of a day, some at a time, in the columns of `REDUCED`.

        Malformed lines are put aside, whole, behind their file and line number.
        """
        compiled = size_of(day) >= WORTH_COMPILING
        for file, parts in groupby(blocks(day), attrgetter("file")):
            contents = (part.content for part in parts)
            lines_before = 0
            for classes, kept, malformed in read(contents, self._rules, compiled=compiled):
                for name, count in classes.value_counts().iter_rows():
                    self.counts[name] += count
                for row, line in malformed:
                    number = lines_before + row + 1
                    self._malformed.write(f"{file.name}:{number}:".encode() + line + b"\n")
                lines_before += len(classes)
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
