"""What the report is put together from, by name: for its rules, which do without its libraries."""

from __future__ import annotations

SHARED_PARTS = ("page.html.jinja", "page.css")

USAGE_SCRIPTS = ("format.js", "table.js", "charts.js", "series.js", "usage.js")
"""In `resources/report/`, in the order in which they run."""
USAGE_PAGE_PARTS = (*SHARED_PARTS, *USAGE_SCRIPTS)

RUN_SCRIPTS = ("charts.js", "run.js")
RUN_PAGE_PARTS = (*SHARED_PARTS, *RUN_SCRIPTS)

FIGURES = {
    "over_time": "By month",
    "cumulative": "In all",
    "map": "By region",
    "asset_types": "By type of asset",
    "dandisets": "By Dandiset",
}
"""The main figures, and what each is called in Snakemake's own report."""
