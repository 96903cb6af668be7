"""The coordinates that OpenCage knows of regions that the tables lack.

It searches free text and has put `CH/Lucerne` in Canada, so the country goes along with the
question, and an answer in another one is not taken.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from _files import write_json
from _places import POINTS
from _web import NoAnswerError, get

log = logging.getLogger(__name__)

KEY_VARIABLE = "OPENCAGE_API_KEY"
REFUSALS = {
    401: "it does not know the key",
    402: "its quota is used up",
    403: "it blocks the key",
    429: "too many questions",
}

PAUSE = 1.0
"""Seconds between two questions: a free key allows one a second."""

Points = dict[str, dict[str, float] | None]
"""By region; None where OpenCage has none in the region's country."""


def read_answers(kept: Path) -> Points:
    """What was answered so far; nothing if the file is damaged, so that it is asked again."""
    try:
        answers = json.loads(kept.read_text(encoding="utf-8"))
        return {
            region: None
            if point is None
            else {name: float(point[name]) for name in ("latitude", "longitude")}
            for region, point in answers.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError):
        log.warning("%s cannot be used, so OpenCage is asked again.", kept)
        return {}


def as_table(answers: Points) -> pl.DataFrame:
    """The regions that have a point: `POINTS`."""
    rows = [(region, p["latitude"], p["longitude"]) for region, p in answers.items() if p]
    return pl.DataFrame(rows, schema=POINTS, orient="row")


def ask(regions: Iterable[str], kept: Path, url: str) -> Points:
    """Ask about regions that were not asked about before, if there is a key in the environment.

    Args:
        regions: `US/California` each.
        kept: The JSON file of what was answered so far; each answer is kept at once. A region that
            OpenCage does not know is kept too, so that it is asked about once.
        url: Of the service.

    Returns:
        All that was answered so far.
    """
    answers = read_answers(kept)
    key = os.environ.get(KEY_VARIABLE, "").strip()
    unknown = [region for region in regions if region not in answers]
    if not key or not unknown:
        return answers
    log.info("OpenCage: %d regions to be looked up", len(unknown))
    for region in unknown:
        try:
            answers[region] = point_of(region, _reply(region, url, key))
        except NoAnswerError as failure:
            log.warning(
                "OpenCage did not answer about %s (%s); it and what comes after is asked about "
                "again when %s is set and coordinates are made again.",
                region,
                REFUSALS.get(failure.status or 0, str(failure)),
                KEY_VARIABLE,
            )
            break
        write_json(kept, answers)
        time.sleep(PAUSE)
    return answers


def _reply(region: str, url: str, key: str) -> Any:
    country, _, name = region.partition("/")
    question = {
        "q": name,
        "countrycode": country.lower(),
        "limit": 1,
        "no_annotations": 1,
        "key": key,
    }
    try:
        return get(url, question).json()
    except ValueError:
        raise NoAnswerError("an answer in another form") from None


def point_of(region: str, reply: Any) -> dict[str, float] | None:
    """The point in an answer of OpenCage, None if it holds none in the region's own country.

    Args:
        region: `US/California`.
        reply: `{"results": [{"components": {"country_code": "us", "ISO_3166-1_alpha-2": "US"},
            "geometry": {"lat": 36.7, "lng": -118.8}}]}`.

    Raises:
        NoAnswerError: It is in another form.
    """
    try:
        for result in reply["results"]:
            parts, point = result["components"], result["geometry"]
            code = parts.get("ISO_3166-1_alpha-2") or parts.get("country_code") or ""
            if code.upper() == region.partition("/")[0]:
                latitude, longitude = float(point["lat"]), float(point["lng"])
                if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # true for nan, too
                    raise ValueError
                return {"latitude": latitude, "longitude": longitude}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NoAnswerError("an answer in another form") from None
    return None
