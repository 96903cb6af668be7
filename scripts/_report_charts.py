"""The charts of the report, as Vega-Lite: the same for the pages and for the figures.

A chart names its data; whoever draws it gives the rows, in the form that its function tells.
Colours come from the theme, so that one chart serves light and dark.
"""

from __future__ import annotations

from typing import Any

import altair as alt

Rows = list[dict[str, Any]]
Spec = dict[str, Any]

ASSET_TYPES = ("Neurophysiology", "Microscopy", "Video", "Miscellaneous")

LIGHT = {
    "paper": "#fafaf8",
    "surface": "#ffffff",
    "ink": "#1c2128",
    "muted": "#57606c",
    "line": "#e1e4e8",
    "control": "#868f9b",
    "hover": "#f0f2f4",
    "accent": "#0b5cad",
    "pale": "#bcd6f0",
    "good": "#15703f",
    "bad": "#b3261e",
    "land": "#e4e6e3",
    "border": "#fafaf8",
    "categories": ["#0b5cad", "#d07a00", "#00956b", "#8b94a0"],
}
DARK = {
    "paper": "#14171c",
    "surface": "#1c2128",
    "ink": "#e8eaed",
    "muted": "#a3acb8",
    "line": "#313944",
    "control": "#78828f",
    "hover": "#232930",
    "accent": "#74b6f3",
    "pale": "#2b4d70",
    "good": "#5bd093",
    "bad": "#ff8f85",
    "land": "#2c343e",
    "border": "#14171c",
    "categories": ["#74b6f3", "#f0a63c", "#3cc79a", "#7d8794"],
}
"""Categories can be told apart by those who are colour-blind: after Okabe and Ito."""

FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"

BYTES = "replace(format(datum.value, '.3~s'), /([a-zA-Z]?)$/, ' $1B')"
COUNT = "datum.value % 1 ? '' : replace(format(datum.value, '.3~s'), 'G', 'B')"
PERCENT = "format(datum.value * 100, '.3~r') + ' %'"
UTC = alt.Scale(type="utc")


def theme(palette: dict[str, Any]) -> Spec:
    """The config of all charts in the colours of a palette."""
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "domain": False,
            "ticks": False,
            "grid": True,
            "gridColor": palette["line"],
            "labelColor": palette["muted"],
            "labelFontSize": 12,
            "labelPadding": 6,
            "title": None,
            "titleColor": palette["muted"],
        },
        "axisX": {"grid": False, "ticks": True, "tickColor": palette["line"], "labelFlush": True},
        "title": {"color": palette["ink"], "subtitleColor": palette["muted"], "anchor": "start"},
        "legend": {
            "orient": "top",
            "title": None,
            "labelColor": palette["ink"],
            "labelFontSize": 12,
            "symbolType": "circle",
        },
        "range": {"category": palette["categories"]},
        "style": {
            # The stroke keeps what is thinner than a pixel from fading.
            "told": {"color": palette["accent"], "opacity": 0.85, **_stroke(palette["accent"])},
            "most": {"color": palette["pale"]},
            "total": {"stroke": palette["accent"], "strokeWidth": 2},
            "bad": {"color": palette["bad"], "opacity": 0.85},
            "hover": {"color": palette["ink"]},
            "land": {"color": palette["land"], "stroke": palette["border"], "strokeWidth": 0.6},
        },
    }


def _stroke(colour: str) -> Spec:
    return {"stroke": colour, "strokeWidth": 0.7}


def _named(name: str) -> alt.NamedData:
    return alt.NamedData(name)


def _x() -> alt.X:
    return alt.X(
        "start:T",
        scale=UTC,
        axis=alt.Axis(tickCount=alt.expr("max(2, width / 110)"), labelOverlap=True),
    )


def _y(field: str, label: str, ticks: int = 4) -> alt.Y:
    # As wide for short labels as for long ones, so that charts below one another line up.
    axis = alt.Axis(labelExpr=label, tickCount=ticks, minExtent=42)
    return alt.Y(f"{field}:Q", axis=axis, scale=alt.Scale(zero=True, nice=True))


def _hover(*tooltip: alt.Tooltip) -> alt.Chart:
    """A strip over each period, unseen until it is pointed at, that tells its figures."""
    over = alt.selection_point(name="over", on="pointerover", clear="pointerout", empty=False)
    return (
        alt.Chart(_named("usage"))
        .transform_filter("datum.end > datum.start")
        .mark_rect(style="hover")
        .encode(
            x=_x(),
            x2="end:T",
            opacity=alt.condition(over, alt.value(0.1), alt.value(0)),
            tooltip=list(tooltip),
        )
        .add_params(over)
    )


TOLD = (
    alt.Tooltip("period:N", title="When"),
    alt.Tooltip("figure:N", title="Figure"),
)


def over_time(label: str) -> alt.LayerChart:
    """A figure by period, as steps.

    Rows of `usage`: `start`, `end` (UTC, milliseconds; of the last row both are the end), `told`,
    `most` (`told`, and what counts that are not told can add), `period`, `figure` (texts).
    """
    base = alt.Chart(_named("usage"))
    most = base.mark_area(style="most", interpolate="step-after").encode(
        x=_x(), y=_y("told", label), y2="most:Q"
    )
    told = base.mark_area(style="told", interpolate="step-after").encode(
        x=_x(), y=_y("told", label)
    )
    return alt.layer(most, told, _hover(*TOLD)).properties(width="container", height=220)


def cumulative(label: str) -> alt.LayerChart:
    """A figure since the first day; rows as for `over_time`, with the sums up to each `start`."""
    base = alt.Chart(_named("usage"))
    most = base.mark_area(style="most").encode(x=_x(), y=_y("told", label), y2="most:Q")
    told = base.mark_line(style="total").encode(x=_x(), y=_y("told", label))
    return alt.layer(most, told, _hover(*TOLD)).properties(width="container", height=220)


def by_type() -> alt.Chart:
    """Bytes by asset type and period, stacked.

    Rows of `usage`: `start`, `end` (UTC, milliseconds), `type`, `from` and `to` (bytes below and at
    the top of the stack's part), `period`, `figure` (texts).
    """
    over = alt.selection_point(name="over", on="pointerover", clear="pointerout")
    return (
        alt.Chart(_named("usage"))
        .mark_rect()
        .encode(
            x=_x(),
            x2="end:T",
            y=_y("from", BYTES),
            y2="to:Q",
            color=alt.Color("type:N", scale=alt.Scale(domain=list(ASSET_TYPES))),
            opacity=alt.condition(over, alt.value(1), alt.value(0.6)),
            tooltip=[alt.Tooltip("type:N", title="Type"), *TOLD],
        )
        .add_params(over)
        .properties(width="container", height=220)
    )


def by_class() -> alt.LayerChart:
    """Lines of one class by period, a low strip; rows as for `over_time`, without `most`."""
    lines = alt.Chart(_named("usage")).mark_area(style="told", interpolate="step-after")
    lines = lines.encode(x=_x(), y=_y("told", COUNT, ticks=2))
    return alt.layer(lines, _hover(*TOLD)).properties(width="container", height=54)


def share_over_time() -> alt.LayerChart:
    """A share by period; rows as for `over_time`, `told` a fraction, without `most`."""
    shares = alt.Chart(_named("usage")).mark_area(style="told", interpolate="step-after")
    shares = shares.encode(x=_x(), y=_y("told", PERCENT))
    return alt.layer(shares, _hover(*TOLD)).properties(width="container", height=160)


def map_of_regions(largest: int) -> alt.LayerChart:
    """Usage by region on a map of the world; the area of a circle is in proportion to the figure.

    Data `world` is a TopoJSON with the object `countries`. Rows of `regions`, largest first, that
    the smaller ones lie on top: `region`, `longitude`, `latitude`, `told`, `kind` (`place` or
    `service`), `bytes`, `requests`, `downloads` (texts).

    Args:
        largest: Area of the largest circle in square pixels.
    """
    land = alt.Chart(
        alt.NamedData("world", format=alt.TopoDataFormat(feature="countries", type="topojson"))
    ).mark_geoshape(style="land", tooltip=None)
    over = alt.selection_point(
        name="over", on="pointerover", clear="pointerout", empty=False, fields=["region"]
    )
    points = (
        alt.Chart(_named("regions"))
        .mark_circle(strokeWidth=1)
        .encode(
            longitude="longitude:Q",
            latitude="latitude:Q",
            size=alt.Size(
                "told:Q", scale=alt.Scale(type="linear", range=[14, largest]), legend=None
            ),
            color=alt.Color("kind:N", scale=alt.Scale(domain=["place", "service"]), legend=None),
            stroke=alt.Stroke("kind:N", scale=alt.Scale(domain=["place", "service"]), legend=None),
            fillOpacity=alt.condition(over, alt.value(0.9), alt.value(0.5)),
            tooltip=[
                alt.Tooltip("region:N", title="Region"),
                alt.Tooltip("bytes:N", title="Bytes"),
                alt.Tooltip("requests:N", title="Requests"),
                alt.Tooltip("downloads:N", title="Downloads"),
            ],
        )
        .add_params(over)
    )
    return (
        alt.layer(land, points).project(type="equalEarth").properties(width="container", height=360)
    )


def bars() -> alt.Chart:
    """Bytes by Dandiset, most first.

    Rows of `usage`: `dandiset`, `told` (bytes), `undetermined` (whether it is not one).
    """
    return (
        alt.Chart(_named("usage"))
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=alt.X("told:Q", axis=alt.Axis(labelExpr=BYTES, tickCount=6, grid=True)),
            y=alt.Y("dandiset:N", sort="-x", axis=alt.Axis(grid=False)),
            color=alt.condition(
                "datum.undetermined", alt.value(LIGHT["categories"][3]), alt.value(LIGHT["accent"])
            ),
        )
    )


def page_specs() -> dict[str, Spec]:
    """The charts of the usage page by name, without data."""
    charts = {
        "bytes": over_time(BYTES),
        "counts": over_time(COUNT),
        "cumulativeBytes": cumulative(BYTES),
        "cumulativeCounts": cumulative(COUNT),
        "types": by_type(),
        "map": map_of_regions(1400),
    }
    return {name: specification(chart) for name, chart in charts.items()}


def specification(chart: alt.TopLevelMixin) -> Spec:
    """A chart as plain Vega-Lite, without Altair's own look."""
    spec = chart.to_dict()
    for key in ("config", "datasets"):
        spec.pop(key, None)
    return spec
