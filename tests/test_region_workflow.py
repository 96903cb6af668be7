"""That Snakemake asks again for what was not answered, and only then."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from servers import serving

WORKFLOW = Path(__file__).resolve().parent.parent
TARGET = "results/lookup/regions.parquet"
TOKEN = "token-that-nobody-shall-see"


def answer(asked):
    return 200, {a: {"ip": a, "country": "US", "region": "Ohio"} for a in asked.body}


@pytest.fixture
def place(tmp_path):
    """A day with seven requests from seven public addresses."""
    owner = "8787a3c41bf7ce0d54359d9348ad5b08e16bd5bb8ae5aa4e1508b435773a066e"
    key = "blobs/abc/def/abcdef00-0000-4000-8000-000000000000"
    lines = [
        f"{owner} dandiarchive [01/May/2022:05:06:0{n} +0000] 8.0.0.{n} - A{n} REST.GET.OBJECT "
        f'{key} "GET /{key} HTTP/1.1" 200 - 10 10 5 4 "-" "-" -\n'
        for n in range(7)
    ]
    path = tmp_path / "raw/2022/05/01.log"
    path.parent.mkdir(parents=True)
    path.write_text("".join(lines))
    return tmp_path


def run(place, url, *arguments, target=TARGET, **regions):
    config = {
        "raw_logs": "raw",
        "results": "results",
        "cache": "cache",
        "dandi": {"snapshot": "tests/example/dandisets.tsv"},
        "regions": {"provider": "ipinfo", "ipinfo_url": url, **regions},
    }
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    process = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOW / "Snakefile"),
         "--directory", str(place), "--configfile", str(place / "config.yaml"),
         "--workflow-profile", str(WORKFLOW / "profiles/default"), "--cores", "2",
         *arguments, target],
        env={**os.environ, "IPINFO_CREDENTIALS": TOKEN}, cwd=place,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    return process.stdout


def test_the_workflow_asks_again_until_nothing_waits(place):
    with serving(answer) as server:
        output = run(place, server.url, max_lookups=5)
        assert "ipinfo: 5 addresses to be looked up, 2 left for later runs" in output
        assert json.loads((place / "cache/regions.json").read_text())["waiting"] == 2
        assert "locate" in run(place, server.url, "--dry-run", max_lookups=5)
        output += run(place, server.url, max_lookups=5)
        assert "Nothing to be done" in run(place, server.url, "--dry-run", max_lookups=5)
        assert [len(asked.body) for asked in server.asked] == [5, 2]
    regions = pl.read_parquet(place / TARGET).get_column("region")
    assert regions.to_list() == ["US/Ohio"] * 7
    logs = "".join(path.read_text() for path in place.glob("results/logs/**/*.log"))
    metadata = "".join(
        path.read_text(errors="replace") for path in place.glob(".snakemake/**/*") if path.is_file()
    )
    assert "8.0.0." not in output + logs + metadata
    assert TOKEN not in output + logs + metadata


def test_the_run_says_at_its_end_what_is_on_no_map_and_only_if_it_looked(place):
    odd = "Nowhere\tat\nall/../\u00e9"
    place_of = {"ip": "", "country": "US", "region": odd}
    with serving(lambda asked: (200, dict.fromkeys(asked.body, place_of))) as server:
        output = run(place, server.url, target="publish")
        again = run(place, server.url, target="publish")
    end = output[output.rindex("rule publish:") :]
    assert "Coordinates: Shown at a point of their country" in end
    assert "US/Nowhere at all/../\u00e9" in end
    assert "Coordinates:" not in again
    [summary] = place.glob("results/published/summaries/archive/by_region.tsv")
    assert [line.split("\t")[:2] for line in summary.read_text("utf-8").splitlines()[1:]] == [
        ["US/Nowhere at all/../\u00e9", "70"]
    ]
