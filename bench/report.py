"""Measure the usage page of a simulated archive: how large it is, and when its first view stands.

    python bench/report.py [DANDISETS]

It makes published files below bench/data, the page of them, and opens that in a headless Chromium
a few times. The first view stands when all charts are drawn, from the start of the navigation.
"""

import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import chromium
from published_archive import ROOT, Archive
from report_figures import main as draw_figures
from report_usage import main as write_page

DATA = ROOT / "bench/data/report"
SOURCES = ROOT / "resources/report"
TIMES = 5


def first_view(page: Path, state: str = "") -> float:
    """Seconds from the start of the navigation until all charts are drawn, the best of a few."""
    seconds = []
    for _ in range(TIMES):
        profile = DATA / "profile"
        with chromium(profile) as browser:
            browser.window(1280)
            browser.open(page, state)
            seconds.append(
                browser.run("return performance.getEntriesByName('drawn')[0].startTime") / 1000
            )
        shutil.rmtree(profile)
    return min(seconds)


def main() -> None:
    """Print the figures."""
    dandisets = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    published, page = DATA / "published", DATA / "usage.html"
    Archive(published, dandisets).write()
    began = time.process_time()
    world = SOURCES / "world.json"
    write_page(
        published=published, template=SOURCES / "usage.html.jinja", world=world, page_file=page
    )
    written = time.process_time()
    draw_figures(published=published, world=world, figures=DATA / "figures")
    drawn = time.process_time()
    print(f"{dandisets} Dandisets")
    print(f"page      {page.stat().st_size / 1e6:6.1f} MB, made in {written - began:.1f} s of CPU")
    print(f"figures   made in {drawn - written:.1f} s of CPU")
    print(f"archive   first view after {first_view(page):.2f} s")
    print(f"Dandiset  first view after {first_view(page, '#000001'):.2f} s")
    shutil.rmtree(DATA)


if __name__ == "__main__":
    main()
