"""Write world.json, the outline of the countries, from the npm package world-atlas.

    npm pack world-atlas@2.0.2 && tar -xzf world-atlas-2.0.2.tgz package/countries-110m.json
    python resources/make_world.py package/countries-110m.json resources/report/world.json

Both are TopoJSON. Names are left out, and so is Antarctica, which would take a sixth of the map;
points are rounded to STEP degrees, which is less than a pixel of a map 3,000 pixels wide.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

STEP = 0.1
ANTARCTICA = "010"

Arc = list[tuple[int, int]]


def rounded(arc: list[list[int]], transform: dict[str, list[float]]) -> Arc:
    """An arc in steps on the package's grid -> its points on the grid of STEP, none twice."""
    points = itertools.accumulate(arc, lambda one, step: [one[0] + step[0], one[1] + step[1]])
    degrees = (
        tuple(
            k * scale + origin for k, scale, origin in zip(point, *transform.values(), strict=True)
        )
        for point in points
    )
    on_grid = (tuple(round(value / STEP) for value in point) for point in degrees)
    kept = [point for point, _ in itertools.groupby(on_grid)]
    # An arc has two ends, also of an island that is smaller than the grid.
    return kept if len(kept) > 1 else [*kept, *kept]


def steps(arc: Arc) -> list[list[int]]:
    """An arc's points -> its first point, and the step from each to the next."""
    return [
        [here[0] - before[0], here[1] - before[1]]
        for before, here in itertools.pairwise([(0, 0), *arc])
    ]


def world(atlas: dict[str, Any]) -> dict[str, Any]:
    """The countries of an atlas as a TopoJSON of their outlines alone."""
    countries = [
        {"type": country["type"], "arcs": country["arcs"]}
        for country in atlas["objects"]["countries"]["geometries"]
        if country.get("id") != ANTARCTICA
    ]
    used = set(_arcs_of([country["arcs"] for country in countries]))
    arcs = [
        steps(rounded(arc, atlas["transform"])) if number in used else [[0, 0], [0, 0]]
        for number, arc in enumerate(atlas["arcs"])
    ]
    return {
        "type": "Topology",
        "transform": {"scale": [STEP, STEP], "translate": [0, 0]},
        "objects": {"countries": {"type": "GeometryCollection", "geometries": countries}},
        "arcs": arcs,
    }


def _arcs_of(tree: Any) -> list[int]:
    """The numbers of the arcs in nested lists; `~number` is an arc that is walked backwards."""
    if isinstance(tree, int):
        return [tree if tree >= 0 else ~tree]
    return [number for branch in tree for number in _arcs_of(branch)]


def main() -> None:
    """Write the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("atlas", type=Path)
    parser.add_argument("world", type=Path)
    arguments = parser.parse_args()
    atlas = json.loads(arguments.atlas.read_text(encoding="utf-8"))
    text = json.dumps(world(atlas), separators=(",", ":"))
    arguments.world.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
