"""The main figures of what is published, each drawn as PNG and SVG, for slides and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import _report_charts as charts
import altair as alt
import polars as pl
import vl_convert
from _files import replacing
from _report_data import ARCHIVE, Published
from _report_page import VEGA_LITE
from _report_periods import by_step
from _tables import UNDETERMINED

WIDTH, HEIGHT = 1200, 560
LARGEST_DANDISETS = 20
SCALE = 1.6
"""Of the PNG: 1,920 pixels wide, as a slide is."""

Spec = charts.Spec


def bytes_by_month(by_day: pl.DataFrame) -> pl.DataFrame:
    """Bytes of every month from the first to the last: `start`, `end`, `told`.

    Args:
        by_day: A published summary by day, all text.
    """
    days = by_day.select(
        pl.col("date").str.to_date("%Y-%m-%d"), told=pl.col("bytes_sent").cast(pl.Int64)
    )
    return by_step(days, "1mo").select("start", "end", "told")


def moments(table: pl.DataFrame) -> charts.Rows:
    """A table's rows for a chart, its dates as milliseconds."""
    return table.with_columns(pl.col(pl.Date).dt.epoch("ms")).to_dicts()


def over_time(published: Published) -> Spec:
    """Bytes of the archive by month."""
    months = bytes_by_month(published.summary(ARCHIVE, "day")).with_columns(most="told")
    closed = pl.concat([months, months.tail(1).with_columns(start="end")])
    return _drawn(
        charts.over_time(charts.BYTES), "Bytes sent by month", published, usage=moments(closed)
    )


def cumulative(published: Published) -> Spec:
    """Bytes of the archive since its first day."""
    months = bytes_by_month(published.summary(ARCHIVE, "day"))
    sums = pl.concat(
        [
            months.head(1).select("start", end="start", told=pl.lit(0, pl.Int64)),
            months.select(start="end", end="end", told=pl.col("told").cum_sum()),
        ]
    ).with_columns(most="told")
    return _drawn(
        charts.cumulative(charts.BYTES), "Bytes sent in all", published, usage=moments(sums)
    )


def asset_types(published: Published) -> Spec:
    """Bytes of the archive by type of asset and by the month in which the week begins."""
    weeks = published.summary(ARCHIVE, "asset_type_per_week")
    types = [name for name in charts.ASSET_TYPES if name in weeks.columns]
    months = (
        weeks.unpivot(types, index="week_start", variable_name="type", value_name="bytes")
        .group_by(pl.col("week_start").str.to_date("%Y-%m-%d").dt.truncate("1mo"), "type")
        .agg(pl.col("bytes").cast(pl.Int64).sum())
        .sort("week_start", pl.col("type").cast(pl.Enum(charts.ASSET_TYPES)))
        .select(
            "type",
            start="week_start",
            end=pl.col("week_start").dt.offset_by("1mo"),
            to=pl.col("bytes").cum_sum().over("week_start"),
            bytes="bytes",
        )
        .with_columns(pl.col("to").sub(pl.col("bytes")).alias("from"))
    )
    return _drawn(
        charts.by_type(), "Bytes sent by type of asset and month", published, usage=moments(months)
    )


def map_(published: Published, world: dict[str, Any]) -> Spec:
    """Bytes of the archive by region."""
    label = pl.col("region")
    places = pl.DataFrame(
        [(name, at["longitude"], at["latitude"]) for name, at in published.coordinates.items()],
        {"region": pl.String, "longitude": pl.Float64, "latitude": pl.Float64},
        orient="row",
    )
    regions = (
        published.summary(ARCHIVE, "region")
        .join(places, on="region", maintain_order="left")
        .select(
            label,
            "longitude",
            "latitude",
            told=pl.col("bytes_sent").cast(pl.Int64),
            kind=pl.when(label.str.contains("^[A-Z]{2}(/|$)"))
            .then(pl.lit("place"))
            .otherwise(pl.lit("service")),
        )
        .sort("told", descending=True)
    )
    return _drawn(
        charts.map_of_regions(2600),
        "Bytes sent by region (blue) and cloud region (orange)",
        published,
        world=world,
        regions=regions.to_dicts(),
    )


def dandisets(published: Published) -> Spec:
    """The Dandisets with the most bytes."""
    table = (
        pl.DataFrame(
            {
                "dandiset": [id_ for id_ in published.ids if id_ != ARCHIVE],
                "told": [
                    published.totals[id_]["total_bytes_sent"]
                    for id_ in published.ids
                    if id_ != ARCHIVE
                ],
            },
            {"dandiset": pl.String, "told": pl.Int64},
        )
        .sort("told", "dandiset", descending=[True, False])
        .head(LARGEST_DANDISETS)
        .with_columns(undetermined=pl.col("dandiset") == UNDETERMINED)
    )
    title = f"Dandisets with the most bytes sent, {len(table)} of {len(published.ids) - 1}"
    return _drawn(charts.bars(), title, published, usage=table.to_dicts())


def _drawn(chart: alt.TopLevelMixin, title: str, published: Published, **datasets: Any) -> Spec:
    """A chart with its data, its size and its title, in light colours."""
    days = published.provenance.get("days", {})
    span = f"DANDI Archive, {days.get('oldest')} to {days.get('newest')}"
    config = charts.theme(charts.LIGHT)
    return {
        **charts.specification(chart),
        "datasets": datasets,
        "width": WIDTH,
        "height": HEIGHT,
        "padding": 24,
        "title": {
            "text": title,
            "subtitle": span,
            "fontSize": 22,
            "subtitleFontSize": 15,
            "offset": 18,
        },
        "background": charts.LIGHT["surface"],
        "config": {
            **config,
            "axis": {**config["axis"], "labelFontSize": 15},
            "legend": {**config["legend"], "labelFontSize": 15},
        },
    }


def specs(published: Published, world: dict[str, Any]) -> dict[str, Spec]:
    """All figures by name."""
    return {
        "over_time": over_time(published),
        "cumulative": cumulative(published),
        "map": map_(published, world),
        "asset_types": asset_types(published),
        "dandisets": dandisets(published),
    }


def save(spec: Spec, folder: Path, name: str) -> None:
    """Draw a figure as `{name}.svg` and `{name}.png`."""
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    with replacing(folder / f"{name}.svg") as beside:
        beside.write_text(svg + "\n", encoding="utf-8")
    with replacing(folder / f"{name}.png") as beside:
        beside.write_bytes(vl_convert.svg_to_png(svg, scale=SCALE))
