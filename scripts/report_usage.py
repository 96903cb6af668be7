"""Write the usage page: all that is published, in one file that can be shared."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _threads  # noqa: F401
from _files import replacing
from _log import logging_to
from _report_charts import ASSET_TYPES, page_specs
from _report_data import DETAIL, Published, entry, index, packed
from _report_page import page
from _report_parts import USAGE_SCRIPTS

log = logging.getLogger(__name__)


MOST_DATA = 13_000_000
"""Bytes of a page's data: with all else it then stays below 15 MB."""


def packed_entries(source: Published, most: int) -> tuple[dict[str, str], dict[str, int], set[str]]:
    """What the page shows of each id, in as much detail as fits.

    Args:
        source: The published files.
        most: Bytes that all may take together; with the least detail they may take more.

    Returns:
        Each id's entry, packed; the number of each region label in them; and the texts that stand
        in the place of counts.
    """
    for assets, digits in DETAIL:
        regions: dict[str, int] = {}
        texts: set[str] = set()
        entries = {}
        for id_ in source.ids:
            value = entry(source, id_, regions, assets, digits)
            texts |= untold_texts(value) | untold_texts({"totals": lists(source.totals[id_])})
            entries[id_] = packed(value)
        size = sum(map(len, entries.values()))
        log.info("%d assets a Dandiset, %s digits: %d bytes", assets, digits or "all", size)
        if size <= most:
            break
    return entries, regions, texts


def lists(totals: dict[str, Any]) -> dict[str, list[Any]]:
    """Totals as a table of one row."""
    return {name.removeprefix("total_"): [count] for name, count in totals.items()}


def untold_texts(value: dict[str, Any]) -> set[str]:
    """The texts that stand in the place of counts somewhere in an entry, `<50` and others."""
    tables = [table for table in value.values() if isinstance(table, dict)]
    columns = [
        values for table in tables for name, values in table.items() if name.startswith("number_of")
    ]
    return {count for values in columns for count in values if isinstance(count, str)} - {""}


def flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values as pairs: `{"days": {"count": 7}}` -> `("days count", 7)`."""
    for name, part in value.items():
        words = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(part, dict):
            yield from flat(part, words)
        else:
            yield words, "none" if part is None else f"{part:,}" if isinstance(part, int) else part


def main(
    *, published: Path, template: Path, world: Path, page_file: Path, most: int = MOST_DATA
) -> None:
    """Write the page.

    Args:
        published: The folder of published files; nothing else is read.
        template: The page's template, its style and scripts beside it.
        world: The outline of the countries.
        page_file: Where it goes.
        most: Bytes of its data, beyond which it goes into less detail.
    """
    source = Published(published)
    entries, regions, untold = packed_entries(source, most)
    text = page(
        template,
        USAGE_SCRIPTS,
        values={
            "charts": page_specs(),
            "types": ASSET_TYPES,
            "world": json.loads(world.read_text(encoding="utf-8")),
        },
        packed={
            "index": packed(index(source, regions)),
            **{f"of-{id_}": value for id_, value in entries.items()},
        },
        untold=sorted(untold),
        provenance=list(flat(source.provenance)),
    )
    with replacing(page_file) as beside:
        beside.write_text(text, encoding="utf-8")
    log.info("%d Dandisets, %d bytes", len(source.ids) - 1, page_file.stat().st_size)


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            published=Path(snakemake.input.published).with_suffix(""),
            template=Path(snakemake.input.template),
            world=Path(snakemake.input.world),
            page_file=Path(snakemake.output.page),
        )
