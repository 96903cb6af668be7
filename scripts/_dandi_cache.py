"""What the archive told, kept per Dandiset: it survives a kill, and the deletion of results.

    cache/dandisets/{instance}/state.json                   what the last time left behind
    cache/dandisets/{instance}/000003/0.210813.1807.parquet a published version: it never changes
    cache/dandisets/{instance}/000003/listing.parquet       the draft, and the assets of no version;
                                                            in its metadata which versions there are

A Dandiset's listing is what its `listing.parquet` says. That is written last and renamed, so that a
Dandiset has its last listing or the new one, never a mixture.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from _files import replacing
from _listing import ASSET, LISTING

log = logging.getLogger(__name__)

KEPT = pl.Schema({name: LISTING[name] for name in LISTING if name != "dandiset"})
FORMAT = 1
METADATA = "dandiset"


@dataclass(frozen=True)
class Kept:
    """The last listing of a Dandiset.

    Attributes:
        modified: When its draft changed last, as the API said it; None if it has no draft.
        versions: Its published versions, sorted as text.
    """

    modified: str | None
    versions: tuple[str, ...]


class Cache:
    """The kept listings of one instance of the archive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self, dandiset: str) -> Kept | None:
        """The last listing of a Dandiset, None if there is none that can be read."""
        path = self._listing(dandiset)
        if not path.exists():
            return None
        try:
            said = json.loads(pl.read_parquet_metadata(path)[METADATA])
            if said["format"] != FORMAT or not all(
                self.has_version(dandiset, version) for version in said["versions"]
            ):
                raise ValueError("not what it should be")
        except (pl.exceptions.PolarsError, OSError, ValueError, KeyError):
            log.warning("%s cannot be used. Its Dandiset is fetched again.", path)
            return None
        return Kept(said["modified"], tuple(said["versions"]))

    def has_version(self, dandiset: str, version: str) -> bool:
        """Whether a published version is kept."""
        return self._version(dandiset, version).exists()

    def keep_version(self, dandiset: str, version: str, rows: pl.DataFrame) -> None:
        """Keep a published version: `KEPT`."""
        with replacing(self._version(dandiset, version)) as beside:
            rows.select(KEPT.names()).write_parquet(beside)

    def keep(self, dandiset: str, kept: Kept, draft: pl.DataFrame) -> None:
        """Make what was fetched a Dandiset's listing; its versions must be kept before.

        What the listing of before had and this one lacks stays known, as assets of no version.

        Args:
            dandiset: Its id.
            kept: The new listing.
            draft: The assets of its draft: `KEPT`.
        """
        path = self._listing(dandiset)
        present = self._with_versions(dandiset, draft, kept.versions)
        before = self.rows(dandiset).drop("dandiset")
        rows = pl.concat([draft.select(KEPT.names()), of_no_version(before, present)])
        said = json.dumps(
            {"format": FORMAT, "modified": kept.modified, "versions": list(kept.versions)}
        )
        with replacing(path) as beside:
            rows.write_parquet(beside, metadata={METADATA: said})

    def draft(self, dandiset: str) -> pl.DataFrame:
        """The assets of a Dandiset's draft: `KEPT`."""
        rows = pl.read_parquet(self._listing(dandiset))
        return rows.filter(pl.col("version") == "draft")

    def rows(self, dandiset: str, *, gone: bool = False) -> pl.DataFrame:
        """The last listing of a Dandiset: `LISTING`; no rows if there is none.

        Args:
            dandiset: Its id.
            gone: The Dandiset is not there any more, and so its draft is not: the draft's assets
                are those of no version. Published versions stay what they are.
        """
        kept = self.kept(dandiset)
        if kept is None:
            return pl.DataFrame(schema=LISTING)
        own = pl.read_parquet(self._listing(dandiset))
        if gone:
            versions = self._with_versions(dandiset, own.clear(), kept.versions)
            rows = pl.concat([versions, of_no_version(own, versions)])
        else:
            rows = self._with_versions(dandiset, own, kept.versions)
        return rows.select(pl.lit(dandiset).alias("dandiset"), *KEPT.names())

    def dandisets(self) -> list[str]:
        """Those that have a listing, sorted."""
        return sorted(path.parent.name for path in self.folder.glob("[0-9]*/listing.parquet"))

    def _with_versions(
        self, dandiset: str, rows: pl.DataFrame, versions: Iterable[str]
    ) -> pl.DataFrame:
        published = [pl.read_parquet(self._version(dandiset, version)) for version in versions]
        return pl.concat([frame.select(KEPT.names()) for frame in (rows, *published)])

    def _listing(self, dandiset: str) -> Path:
        return self.folder / dandiset / "listing.parquet"

    def _version(self, dandiset: str, version: str) -> Path:
        return self.folder / dandiset / f"{version}.parquet"


def of_no_version(before: pl.DataFrame, present: pl.DataFrame) -> pl.DataFrame:
    """The assets of `before` that are not among the present ones, with an empty version: `KEPT`."""
    return (
        before.join(present.filter(pl.col("version") != ""), on=ASSET, how="anti")
        .with_columns(version=pl.lit(""))
        .select(KEPT.names())
        .sort(*ASSET, "size")
        .unique(ASSET, keep="last", maintain_order=True)
    )
