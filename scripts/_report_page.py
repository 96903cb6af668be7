"""Pages that need nothing but themselves: style, scripts and data stand in them.

A policy in the page holds it to that.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import _report_charts as charts
import jinja2
import vl_convert

VEGA_LITE = ".".join(charts.alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
"""The version of Vega-Lite that Altair writes for, as vl-convert names it."""


def vega_scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, whose own short names stay inside it."""
    return f"(() => {{{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}\n}})();"


def json_in_page(value: Any) -> str:
    """A value as JSON that no browser takes for the end of its script, or for a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def css_colours(palette: Mapping[str, Any]) -> str:
    """A palette as custom properties of CSS."""
    single = {name: value for name, value in palette.items() if name != "categories"}
    numbered = {f"category-{n}": value for n, value in enumerate(palette["categories"])}
    return "".join(f"\n  --{name}: {value};" for name, value in {**single, **numbered}.items())


def policy(scripts: Iterable[str]) -> str:
    """A content security policy: these scripts run, no others, and nothing is fetched."""
    digests = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    )
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def page(
    template: Path,
    scripts: Iterable[str],
    *,
    values: Mapping[str, Any],
    packed: Mapping[str, str] | None = None,
    **context: Any,
) -> str:
    """Fill in a template.

    Args:
        template: The template; style and scripts stand beside it.
        scripts: Names of the page's scripts, in the order in which they run, behind Vega's.
        values: What scripts read as JSON, by the id of its element.
        packed: What scripts unpack when they need it, the same way.
        context: What the template itself names.
    """
    folder = template.parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    texts = [vega_scripts(), *((folder / name).read_text(encoding="utf-8") for name in scripts)]
    return environment.get_template(template.name).render(
        policy=policy(texts),
        css=(folder / "page.css").read_text(encoding="utf-8"),
        css_colours=css_colours,
        json=json_in_page,
        light=charts.LIGHT,
        dark=charts.DARK,
        scripts=texts,
        values={
            "themes": {"light": charts.theme(charts.LIGHT), "dark": charts.theme(charts.DARK)},
            **values,
        },
        packed=packed or {},
        **context,
    )
