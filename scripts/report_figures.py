"""Draw the main figures of what is published, for slides."""

import json
import logging
from pathlib import Path

import _threads  # noqa: F401
from _log import logging_to
from _report_data import Published
from _report_figures import save, specs

log = logging.getLogger(__name__)


def main(*, published: Path, world: Path, figures: Path) -> None:
    """Draw each figure as PNG and SVG.

    Args:
        published: The folder of published files; nothing else is read.
        world: The outline of the countries.
        figures: The folder to write to.
    """
    source = Published(published)
    outline = json.loads(world.read_text(encoding="utf-8"))
    for name, spec in specs(source, outline).items():
        save(spec, figures, name)
        log.info("%s", name)


if "snakemake" in globals():
    with logging_to(snakemake.log[0]):
        main(
            published=Path(snakemake.input.published).with_suffix(""),
            world=Path(snakemake.input.world),
            figures=Path(snakemake.output[0]).parent,
        )
