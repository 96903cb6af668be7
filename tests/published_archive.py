"""Simulate `published/` of a large archive, for the report; always the same for a seed.

python tests/published_archive.py DIR [DANDISETS]
"""

import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

ROOT = Path(__file__).resolve().parents[1]
FIRST, LAST = date(2019, 10, 1), date(2025, 12, 31)
TYPES = {
    ".nwb": "Neurophysiology",
    ".ome.zarr": "Microscopy",
    ".mp4": "Video",
    ".json": "Miscellaneous",
}
WEIGHTS = {"US": 40, "DE": 12, "GB": 12, "CA": 8, "JP": 8, "CN": 8, "FR": 6, "NL": 6, "AWS": 60}
"""How much more often the regions of some countries and clouds ask than others."""
KINDS = {"cloud": 0.4, "github": 0.1, "vpn": 0.05, "other": 0.45}
MINIMUM, ROUND_TO = 50, 20


def published_count(count: pl.Expr) -> pl.Expr:
    """A count as it is published: text."""
    nearest = count // ROUND_TO * ROUND_TO
    return (
        pl.when(count < MINIMUM)
        .then(pl.lit(f"<{MINIMUM}"))
        .otherwise(pl.max_horizontal(nearest, pl.lit(MINIMUM)).cast(pl.String))
    )


def published_totals(exact: dict[str, int]) -> dict[str, Any]:
    """Totals as they are published."""
    whole = {
        "total_bytes_sent",
        "bytes_sent",
        "number_of_unique_regions",
        "number_of_unique_countries",
    }
    return {
        name: value
        if name in whole
        else max(MINIMUM, value // ROUND_TO * ROUND_TO)
        if value >= MINIMUM
        else f"<{MINIMUM}"
        for name, value in exact.items()
    }


def places() -> pl.DataFrame:
    """Regions with coordinates, of countries and clouds: `region`, `latitude`, `longitude`."""
    tables = [
        (pl.read_csv(ROOT / "resources/places.tsv", separator="\t", quote_char=None), "country"),
        (pl.read_csv(ROOT / "resources/cloud_regions.tsv", separator="\t"), "provider"),
    ]
    return pl.concat(
        table.drop_nulls("region").select(
            pl.concat_str(of, "region", separator="/").alias("region"), "latitude", "longitude"
        )
        for table, of in tables
    )


def spread(random: np.random.Generator, total: int, parts: int) -> np.ndarray:
    """A total in unequal whole parts."""
    shares = random.pareto(0.8, parts) + 0.01
    return np.floor(total * shares / shares.sum()).astype(np.int64)


def usage(random: np.random.Generator, label: pl.Series, total: int, requests: int) -> pl.DataFrame:
    """A total in unequal parts by label: exact bytes, requests and downloads."""
    asked = spread(random, requests, len(label)) + 1
    return pl.DataFrame(
        {
            label.name: label,
            "bytes_sent": spread(random, total, len(label)),
            "number_of_requests": asked,
            "number_of_downloads": (asked * random.random(len(label))).astype(np.int64),
        }
    )


class Archive:
    """The published files of an archive in the making.

    Attributes:
        folder: Where they are written.
    """

    def __init__(self, folder: Path, dandisets: int, seed: int = 9) -> None:
        self.folder = folder
        self._random = np.random.default_rng(seed)
        self._dandisets = dandisets
        self._places = places().sample(720, seed=seed)
        of = self._places["region"].str.split("/").list.first()
        weights = of.replace_strict(WEIGHTS, default=1).to_numpy()
        self._weights = weights / weights.sum()
        self._days = pl.date_range(FIRST, LAST, "1d", eager=True).alias("date")

    def write(self) -> None:
        """Write all files."""
        ids = [f"{number:06}" for number in range(1, self._dandisets + 1)]
        totals, by_day, by_region, by_type = {}, [], [], []
        for place, id_ in enumerate([*ids, "undetermined"]):
            tables = self._dandiset(id_, place)
            totals[id_] = self._totals(tables, id_)
            by_day.append(tables["day"])
            by_region.append(tables["region"])
            by_type.append(tables["asset_type_per_week"])
            for kind, table in tables.items():
                self._summary(table, id_, kind)
        archive = {
            "day": pl.concat(by_day).group_by("date").sum().sort("date"),
            "region": pl.concat(by_region)
            .group_by("region")
            .sum()
            .sort("bytes_sent", "region", descending=[True, False]),
            "asset_type_per_week": pl.concat(by_type, how="diagonal")
            .group_by("week_start")
            .agg(pl.all().sum())
            .sort("week_start"),
        }
        for kind, table in archive.items():
            self._summary(table, "archive", kind)
        self._json("totals.json", totals)
        self._json("archive_totals.json", self._totals(archive, "archive"))
        self._json("provenance.json", self._provenance())
        coordinates = {
            region: {"latitude": latitude, "longitude": longitude}
            for region, latitude, longitude in self._places.iter_rows()
        }
        text = yaml.dump(coordinates, Dumper=yaml.CSafeDumper, allow_unicode=True)
        (self.folder / "region_codes_to_coordinates.yaml").write_text(text, encoding="utf-8")

    def _dandiset(self, id_: str, place: int) -> dict[str, pl.DataFrame]:
        random = self._random
        # Few have most of the bytes; a third are asked for on most days since they are there.
        total = int(7e15 / (place + 3) ** 1.3) if id_ != "undetermined" else 2 * 10**15
        since = int(random.integers(0, len(self._days) - 30))
        share = random.choice([0.9, 0.3, 0.06])
        days = self._days[since:].filter(pl.Series(random.random(len(self._days) - since) < share))
        days = days if len(days) else self._days[-1:]
        requests = max(20, total // 40_000_000)
        by_day = usage(random, days, total, requests).with_columns(pl.col("date").cast(pl.String))
        total = by_day["bytes_sent"].sum()
        number = int(min(len(self._places), 5 + random.pareto(0.7) * 12))
        chosen = random.choice(len(self._places), number, replace=False, p=self._weights)
        regions = self._places["region"][chosen]
        regions = pl.concat([regions, pl.Series("region", ["VPN", "GitHub", "unknown"])])
        tables = {
            "day": by_day,
            "region": usage(random, regions, total, requests)
            .filter(pl.col("bytes_sent") > 0)
            .sort("bytes_sent", "region", descending=[True, False]),
            "asset_type_per_week": self._by_type(by_day, id_),
        }
        if id_ != "undetermined":
            paths = pl.Series(
                "asset_path", list(self._paths(int(min(20_000, 2 + random.pareto(0.6) * 40))))
            )
            tables["asset"] = usage(random, paths, total, requests).sort(
                "bytes_sent", "asset_path", descending=[True, False]
            )
        return tables

    def _by_type(self, by_day: pl.DataFrame, id_: str) -> pl.DataFrame:
        types = list(TYPES.values())
        chosen = (
            types[-1:] if id_ == "undetermined" else types[: 1 + int(self._random.integers(0, 4))]
        )
        weeks = by_day.group_by(
            week_start=pl.col("date").str.to_date().dt.truncate("1w").cast(pl.String)
        ).agg(pl.col("bytes_sent").sum())
        rest = [pl.col("bytes_sent") // (4**n) for n in range(1, len(chosen))]
        return weeks.sort("week_start").select(
            "week_start",
            (pl.col("bytes_sent") - sum(rest, pl.lit(0))).alias(chosen[0]),
            *(part.alias(name) for part, name in zip(rest, chosen[1:], strict=True)),
        )

    def _paths(self, number: int) -> Iterator[str]:
        suffixes = list(TYPES)
        for n in range(number):
            subject = f"sub-{int(self._random.integers(0, 1 + number // 4)):04}"
            session = f"ses-{20200101 + n}T{int(self._random.integers(0, 240000)):06}"
            yield f"{subject}/{session}/{subject}_{session}_behavior+ecephys{n}{suffixes[n % 4]}"

    def _totals(self, tables: dict[str, pl.DataFrame], id_: str) -> dict[str, Any]:
        by_day, by_region = tables["day"], tables["region"]
        sums = {
            "total_bytes_sent": int(by_day["bytes_sent"].sum()),
            "total_number_of_requests": int(by_day["number_of_requests"].sum()),
            "total_number_of_downloads": int(by_day["number_of_downloads"].sum()),
        }
        places = by_region["region"].str.contains("/")
        totals = published_totals(
            {
                **sums,
                "number_of_requesters": sums["total_number_of_requests"] // 30,
                "number_of_unique_regions": int(places.sum()),
                "number_of_unique_countries": by_region["region"].str.head(2).n_unique(),
            }
        )
        parts = {"by_kind_of_requester": KINDS}
        if id_ not in {"archive", "undetermined"}:
            parts["by_version"] = {"draft": 0.8, "0.220126.2143": 0.5, "0.250101.0101": 0.2}
        for name, shares in parts.items():
            totals[name] = {
                label: published_totals(
                    {key.removeprefix("total_"): int(value * share) for key, value in sums.items()}
                )
                for label, share in shares.items()
            }
        return totals

    def _provenance(self) -> dict[str, Any]:
        days = {"oldest": str(FIRST), "newest": str(LAST), "count": len(self._days)}
        listing = {
            "sha256": "0" * 64,
            "date": str(LAST),
            "dandisets": self._dandisets,
            "rows": 10**6,
        }
        return {
            "definition": 1,
            "days": days,
            "listing": listing,
            "lines": {"kept": 2_000_000_000, "malformed": "<50"},
            "software": {"version": "0", "git_commit": None},
        }

    def _summary(self, table: pl.DataFrame, id_: str, kind: str) -> None:
        path = self.folder / "summaries" / id_ / f"by_{kind}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        counts = [name for name in table.columns if name.startswith("number_of")]
        table.with_columns(published_count(pl.col(name)).alias(name) for name in counts).write_csv(
            path, separator="\t", quote_style="never"
        )

    def _json(self, name: str, value: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(value, indent=2, sort_keys=True) + "\n"
        (self.folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    Archive(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 1000).write()
