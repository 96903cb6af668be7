"""The report: what its pages hold, that they need nothing else, and how a browser shows them."""

import base64
import gzip
import json
import re
import shutil
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import workflow
from _log import UserError
from _log_lines import CLASSES
from _report_charts import DARK, LIGHT
from _report_data import Published, by_asset, column, entry, month_range, packed
from _report_days import missing_days, read_accounting
from _report_page import json_in_page, policy
from _report_periods import by_step, step_for
from _report_runs import Run, last_runs, read_benchmarks, run_to_tell, stages, told_since
from _summaries import read_summary
from browser import Browser, chromium, require_chromium
from published_archive import Archive
from report_usage import flat, packed_entries
from report_usage import main as write_usage_page
from selenium.webdriver.common.keys import Keys

SOURCES = workflow.ROOT / "resources/report"
FIGURES = ("over_time", "cumulative", "map", "asset_types", "dandisets")
MEGABYTE = 1_000_000


def usage_page(published: Path, page: Path, **options: int) -> Path:
    """Write the usage page of a folder of published files."""
    write_usage_page(
        published=published,
        template=SOURCES / "usage.html.jinja",
        world=SOURCES / "world.json",
        page_file=page,
        **options,
    )
    return page


def unpacked(text: str) -> Any:
    """What `packed` packed."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled example with its report."""
    directory = tmp_path_factory.mktemp("example")
    workflow.run(directory, "report")
    return directory


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    require_chromium()
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        yield window


# --- What the pages hold --------------------------------------------------------------------------


def test_a_count_that_is_not_told_stays_the_text_that_was_published():
    assert column(pl.Series(["120", "<50", "withheld", "0"])) == [120, "<50", "withheld", 0]


def test_assets_beyond_the_largest_are_one_row_together():
    table = pl.DataFrame(
        {
            "asset_path": ["a", "b", "c"],
            "bytes_sent": ["30", "20", "5"],
            "number_of_requests": ["80", "<50", "60"],
        }
    )
    assert by_asset(table, 1) == {
        "asset_path": ["a"],
        "bytes_sent": [30],
        "number_of_requests": [80],
        "others": {"bytes_sent": 25, "number_of_requests": 60, "number": 2},
    }


def test_months_run_across_years():
    assert month_range("2021-11", "2022-02") == ["2021-11", "2021-12", "2022-01", "2022-02"]
    assert month_range("9999", "0000") == []


def test_nested_provenance_reads_as_words():
    told = {"days": {"count": 2284}, "software": {"git_commit": None}}
    assert list(flat(told)) == [("days count", "2,284"), ("software git commit", "none")]


def test_an_unfinished_folder_of_published_files_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"totals\.json is missing\. Run `snakemake publish` first"):
        Published(tmp_path)


def test_data_says_what_is_published(example: Path):
    published = Published(example / "results/published")
    regions: dict[str, int] = {}
    value = entry(published, "000003", regions, assets=200, digits=None)
    rows = (published.folder / "summaries/000003/by_day.tsv").read_text().splitlines()[1:]
    assert value["by_day"]["bytes_sent"] == [int(row.split("\t")[1]) for row in rows]
    assert value["by_day"]["first"] == rows[0][:10]
    days = pl.Series(rows).str.head(10).str.to_date()
    assert sum(value["by_day"]["gaps"]) == (days[-1] - days[0]).days
    labels = list(regions)
    assert [labels[number] for number in value["by_region"]["region"]] == [
        row.split("\t")[0]
        for row in (published.folder / "summaries/000003/by_region.tsv")
        .read_text()
        .splitlines()[1:]
    ]
    assert value["by_kind_of_requester"]["label"][0] in {"cloud", "github", "vpn", "other"}
    assert "draft" in value["by_version"]["label"]


def test_totals_without_their_parts_are_shown_too(example: Path, tmp_path: Path):
    shutil.copytree(example / "results/published", tmp_path, dirs_exist_ok=True)
    for name in ("totals.json", "archive_totals.json"):
        text = (tmp_path / name).read_text()
        value = json.loads(
            text, object_hook=lambda of: {k: v for k, v in of.items() if k[:3] != "by_"}
        )
        (tmp_path / name).write_text(json.dumps(value))
    value = entry(Published(tmp_path), "000003", {}, assets=200, digits=None)
    assert value["by_version"] is None
    assert value["by_kind_of_requester"] is None


def test_detail_is_left_out_until_a_page_fits(example: Path):
    published = Published(example / "results/published")
    exact, *_ = packed_entries(published, most=MEGABYTE)
    small, *_ = packed_entries(published, most=1)
    assert unpacked(exact["000003"])["digits"] is None
    told = unpacked(small["000003"])
    assert told["digits"] == 2
    assert all(len(str(value).rstrip("0")) <= 2 for value in told["by_day"]["bytes_sent"])
    assert unpacked(small["archive"])["by_day"] == unpacked(exact["archive"])["by_day"]


def test_packed_data_is_the_same_each_time():
    assert packed({"a": [1, "</script>"]}) == packed({"a": [1, "</script>"]})
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed({"a": "</script>"}))


def test_json_in_a_page_cannot_end_its_script():
    text = json_in_page({"path": "</script><!-- & -->"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"path": "</script><!-- & -->"}


def test_policy_lets_run_what_is_in_the_page_and_fetches_nothing():
    # The digest is from the specification of content security policies, level 3.
    text = policy(["alert('Hello, world.');"])
    assert "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='" in text
    assert "default-src 'none'" in text
    assert "unsafe-eval" not in text


def contrast(one: str, other: str) -> float:
    """How much two colours differ in light, by WCAG 2: 1 to 21."""

    def light(colour: str) -> float:
        parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted([light(one), light(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_of_text_and_controls_have_contrast_enough(palette: dict[str, Any]):
    for ground in ("paper", "surface", "hover"):
        for text in ("ink", "muted", "accent", "good", "bad"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    assert contrast(palette["ink"], palette["pale"]) >= 4.5
    for mark in (palette["control"], *palette["categories"]):
        assert contrast(mark, palette["surface"]) >= 3, mark


# --- Days and runs --------------------------------------------------------------------------------


def test_missing_days_are_those_between_without_the_excluded_years():
    days = [date(2020, 12, 29), date(2021, 1, 2), date(2021, 1, 3), date(2021, 1, 5)]
    assert missing_days(days, frozenset()) == [
        (date(2020, 12, 30), date(2021, 1, 1), 3),
        (date(2021, 1, 4), date(2021, 1, 4), 1),
    ]
    assert missing_days(days, frozenset({2020})) == [
        (date(2021, 1, 1), date(2021, 1, 1), 1),
        (date(2021, 1, 4), date(2021, 1, 4), 1),
    ]
    assert missing_days([], frozenset()) == []


def test_days_are_summed_by_step_and_empty_periods_are_zero():
    table = pl.DataFrame(
        {"date": [date(2021, 1, 1), date(2021, 1, 31), date(2021, 3, 1)], "n": [1, 2, 4]}
    )
    assert by_step(table, "1mo").select("start", "end", "n").rows() == [
        (date(2021, 1, 1), date(2021, 2, 1), 3),
        (date(2021, 2, 1), date(2021, 3, 1), 0),
        (date(2021, 3, 1), date(2021, 4, 1), 4),
    ]


@pytest.mark.parametrize(
    ("last", "step"), [("2021-01-02", "1d"), ("2022-01-01", "1w"), ("2026-01-01", "1mo")]
)
def test_the_step_suits_the_days(last: str, step: str):
    assert step_for(pl.Series([date(2021, 1, 1), date.fromisoformat(last)])) == step


FAILED_RUN = """\
Building DAG of jobs...
[Wed Nov 25 04:16:41 2026]
localrule reduce:
    output: results/reduced/2022/05/01.parquet
[Wed Nov 25 04:16:42 2026]
Finished jobid: 5 (Rule: reduce)
[Wed Nov 25 04:16:42 2026]
Error in rule reduce:
    message: None
    jobid: 4
    output: results/reduced/2022/05/02.parquet
    log: results/logs/reduce/2022-05-02.log (check log file(s) for error details)
Exiting because a job execution failed. Look above for error messages
Complete log(s): somewhere
"""


def test_a_failed_run_names_its_failed_jobs(tmp_path: Path):
    (tmp_path / "2026-11-25T041641.024641.snakemake.log").write_text(FAILED_RUN)
    (tmp_path / "2026-11-26T041641.024641.snakemake.log").write_text("Nothing to be done.\n")
    (tmp_path / "notes.log").write_text(FAILED_RUN)
    (run,) = last_runs(tmp_path, 5)
    assert run.state == "failed"
    assert run.start.replace(tzinfo=None) == datetime(2026, 11, 25, 4, 16, 41)
    assert run.jobs == {"reduce": 1}
    assert run.failed == [("reduce", "results/logs/reduce/2022-05-02.log")]


def test_a_killed_run_is_not_called_finished(tmp_path: Path):
    log = tmp_path / "2026-11-25T041641.024641.snakemake.log"
    log.write_text(FAILED_RUN.split("[Wed Nov 25 04:16:42 2026]\nError")[0])
    assert last_runs(tmp_path, 5)[0].state == "open"


def run_of(*rules: str, failed: bool = False, closed: bool = True) -> Run:
    """A run that did some jobs."""
    moment = datetime(2026, 11, 25, tzinfo=UTC)
    wrong = [("reduce", "a.log")] if failed else []
    return Run(moment, moment, Counter(rules), wrong, began=True, closed=closed)


def test_the_run_to_tell_of_is_the_last_that_did_something():
    nightly, looked, stopped = (
        run_of("reduce", "all"),
        run_of("report_run", "status"),
        run_of(closed=False),
    )
    failed = run_of("reduce", failed=True)
    assert run_to_tell([]) is None
    assert run_to_tell([looked, nightly, failed]) is nightly
    assert run_to_tell([stopped, failed, nightly]) is failed
    # A run comes to its end only when what failed before has been done.
    assert run_to_tell([looked, failed, nightly]) is looked


def test_warnings_of_earlier_runs_are_not_told(tmp_path: Path):
    line = "2026-11-25 04:18:02,868 {} {}\n"
    (tmp_path / "reduce").mkdir()
    log = tmp_path / "reduce/2022-05-01.log"
    log.write_text(line.format("INFO", "fine") + line.format("WARNING", "odd") + "Traceback\n")
    assert told_since(tmp_path, datetime(2020, 1, 1, tzinfo=UTC)) == [
        ("reduce/2022-05-01.log", "WARNING", "odd")
    ]
    assert told_since(tmp_path, datetime(2200, 1, 1, tzinfo=UTC)) == []


def test_stages_sum_up_the_benchmarks(tmp_path: Path):
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    (tmp_path / "reduce").mkdir()
    for name, seconds, memory in [
        ("reduce/a", "2.5", "100.5"),
        ("reduce/b", "4.5", "NA"),
        ("totals", "1.0", "7"),
    ]:
        (tmp_path / f"{name}.tsv").write_text(
            f"{header}{seconds}\t0:00:02\t{memory}\t1\t1\t1\t1\t1\t1\t1\n"
        )
    table = stages(read_benchmarks(tmp_path), None)
    assert table.select(
        "rule", "jobs", "seconds", "longest_job", "mebibytes", "last_jobs"
    ).rows() == [
        ("reduce", 2, 7.0, "b", 100.5, 0),
        ("totals", 1, 1.0, "", 7.0, 0),
    ]
    assert stages(read_benchmarks(tmp_path / "none"), None).rows() == []


# --- Runs -----------------------------------------------------------------------------------------


def test_report_makes_pages_and_figures_once(example: Path):
    folder = example / "results/report"
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.{form}" for name in FIGURES for form in ("png", "svg")}
    assert made == {"usage.html", "run.html"} | figures
    assert (folder / "usage.html").stat().st_size < 5 * MEGABYTE
    assert (folder / "run.html").stat().st_mode & 0o777 == 0o600
    for name in FIGURES:
        assert (folder / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"figures/{name}.svg").read_text().startswith("<svg")
    assert workflow.finds_nothing_to_do(example)
    result = workflow.run(example, "report", "--dry-run")
    assert "Nothing to be done" in workflow.output_of(result)


def test_the_usage_page_is_the_same_each_time(example: Path, tmp_path: Path):
    again = usage_page(example / "results/published", tmp_path / "usage.html")
    assert again.read_bytes() == (example / "results/report/usage.html").read_bytes()


def test_the_usage_page_is_made_from_published_files_alone(example: Path, tmp_path: Path):
    shutil.copytree(example / "results/published", tmp_path / "elsewhere")
    page = usage_page(tmp_path / "elsewhere", tmp_path / "usage.html")
    assert page.read_bytes() == (example / "results/report/usage.html").read_bytes()


def test_the_page_on_runs_tells_days_lines_shares_and_stages(page: Path, browser: Browser):
    results = page.parents[1]
    browser.open(page.with_name("run.html"))
    accounting = read_accounting(results / "accounting.tsv", CLASSES)
    lines, malformed = accounting["lines"].sum(), accounting["malformed"].sum()
    tiles = dict(zip(browser.texts(".tile dt"), browser.texts(".tile dd"), strict=True))
    assert tiles["Days of logs"].startswith(str(len(accounting)))
    # 2021-12-30 to 2022-05-03 are 125 days.
    assert tiles["Missing days"].startswith(str(125 - len(accounting)))
    assert tiles["Lines"] == str(lines)
    assert tiles["Malformed"].startswith(f"{100 * malformed / lines:.3g} %")
    whole = read_summary(results / "mapped/archive_summary_by_day.tsv")["bytes_sent"].sum()
    part = read_summary(results / "mapped/undetermined/dandiset_summary_by_day.tsv")
    share = f"{100 * part['bytes_sent'].sum() / whole:.3g} %"
    assert tiles["Undetermined"].startswith(share)
    assert browser.find("h1").text == "The last run finished"
    shown = browser.texts("section[aria-label=Stages] tbody th")
    assert {"reduce", "bin", "assign", "map", "publish"} <= set(shown)
    assert browser.texts(".strip strong") == [
        *("kept", "malformed", "empty", "other operation", "excluded ip", "other key"),
        "unsuccessful",
    ]


def test_a_run_that_fails_says_so_on_its_page(example: Path, tmp_path: Path):
    workflow.copy(example, tmp_path)
    shutil.copytree(workflow.EXAMPLE / "raw", tmp_path / "raw")
    (tmp_path / "raw/2022/05/04.log.gz").write_bytes(b"this is no gzip")
    workflow.run(
        tmp_path,
        config={
            "raw_logs": "raw",
            "dandi": {"snapshot": str(workflow.EXAMPLE / "dandisets.tsv")},
        },
        fails=True,
    )
    page = (tmp_path / "results/report/run.html").read_text()
    assert "The last run failed" in page
    assert "results/logs/reduce/2022-05-04.log" in page


def test_an_archive_without_any_request_has_a_report(browser: Browser, tmp_path: Path):
    (tmp_path / "raw/2022/05").mkdir(parents=True)
    (tmp_path / "raw/2022/05/03.log").touch()
    snapshot = str(workflow.EXAMPLE / "dandisets.tsv")
    workflow.run(tmp_path, "report", config={"raw_logs": "raw", "dandi": {"snapshot": snapshot}})
    browser.window(1280)
    for name in ("usage", "run"):
        page = tmp_path / f"results/report/{name}.html"
        browser.open(page)
        quiet(browser, page)


def test_snakemakes_own_report_has_the_figures_with_captions(example: Path, browser: Browser):
    workflow.run(example, "--report", "report.html")
    page = example / "report.html"
    text = page.read_text()
    assert "turns the raw S3 server access logs" in text
    for name in FIGURES:
        assert f"{name}.svg" in text
        caption = (SOURCES / f"captions/{name}.rst").read_text().split(".")[0].split("\n")[0]
        assert caption in text
    browser.forget()
    browser.driver.get(page.as_uri())
    browser.until("return document.body.textContent.includes('Usage')")
    assert browser.requests() == [page.as_uri()]


# --- In a browser ---------------------------------------------------------------------------------


def colours(browser: Browser, picture: Path) -> int:
    """How many colours a picture has, as the browser counts them."""
    browser.driver.get("about:blank")
    return browser.driver.execute_async_script(
        """
        const [address, done] = arguments;
        const picture = new Image();
        picture.onload = () => {
          const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
          canvas.drawImage(picture, 0, 0);
          const { data } = canvas.getImageData(0, 0, picture.width, picture.height);
          done(new Set(new Uint32Array(data.buffer)).size);
        };
        picture.src = address;
        """,
        f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}",
    )


def quiet(browser: Browser, page: Path) -> None:
    """Hold a page to having said nothing, and to having asked for nothing but itself."""
    assert browser.complaints() == []
    assert {address.partition("#")[0] for address in browser.requests()} == {
        page.resolve().as_uri()
    }


@pytest.mark.parametrize("name", ["usage", "run"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_pages_load_alone_and_fit(
    name: str, width: int, dark: bool, example: Path, browser: Browser, tmp_path: Path
):
    page = example / f"results/report/{name}.html"
    browser.window(width, dark=dark)
    browser.open(page)
    quiet(browser, page)
    assert browser.run("return document.documentElement.scrollWidth") == width
    paper = browser.run("return getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == dark
    shot = browser.screenshot(tmp_path / "shot.png")
    assert colours(browser, shot) > 50


def test_figures_are_not_blank(example: Path, browser: Browser):
    for name in FIGURES:
        assert colours(browser, example / f"results/report/figures/{name}.png") > 20, name


@pytest.fixture
def page(example: Path, browser: Browser) -> Path:
    """The usage page of the example, open at the archive in a wide window."""
    page = example / "results/report/usage.html"
    browser.window(1280)
    browser.open(page)
    return page


def test_the_archive_shows_every_dandiset_and_its_totals(page: Path, browser: Browser):
    totals = json.loads((page.parents[1] / "published/totals.json").read_text())
    assert set(browser.texts("#dandisets tbody th")) == set(totals)
    archive = json.loads((page.parents[1] / "published/archive_totals.json").read_text())
    exact = browser.find("#tiles dd").get_attribute("title")
    assert exact == f"{archive['total_bytes_sent']:,} bytes"
    assert "undetermined" in browser.texts("#dandisets tbody th")


def test_the_address_switches_between_dandisets(page: Path, browser: Browser):
    for state, title in [
        ("000003", "Dandiset 000003"),
        ("undetermined", "Undetermined"),
        ("archive", "The archive"),
    ]:
        browser.go(state)
        assert browser.find("#title").text == title
        shows_assets = browser.find("#assets-section").is_displayed()
        assert shows_assets == (state == "000003")
        assert browser.find("#dandisets-section").is_displayed() == (state == "archive")
    quiet(browser, page)


def test_a_dandiset_shows_its_assets_regions_versions_and_requesters(page: Path, browser: Browser):
    browser.go("000003")
    published = page.parents[1] / "published"
    for kind, table in [("asset", "assets"), ("region", "regions")]:
        rows = (published / f"summaries/000003/by_{kind}.tsv").read_text().splitlines()[1:]
        shown = browser.texts(f"#{table} tbody th")
        assert shown == [row.split("\t")[0] for row in rows[: len(shown)]]
    totals = json.loads((published / "totals.json").read_text())["000003"]
    assert set(browser.texts("#versions tbody th")) == set(totals["by_version"])
    assert len(browser.texts("#kinds tbody th")) == 4
    counts = (published / "summaries/000003/by_asset.tsv").read_text().splitlines()[1].split("\t")
    assert browser.texts("#assets tbody tr:first-child td")[1:] == counts[2:]


def test_an_id_that_is_typed_is_found_and_one_that_is_not_there_is_said(
    page: Path, browser: Browser
):
    field = browser.find("#dandiset")
    field.send_keys("108\n")
    browser.until("return document.getElementById('title').textContent === 'Dandiset 000108'")
    browser.go("999999")
    assert "999999" in browser.find("#unknown").text
    assert browser.find("#title").text == "The archive"


def test_the_map_has_a_point_for_each_region_with_a_place(page: Path, browser: Browser):
    published = Published(page.parents[1] / "published")
    with_place = set(published.summary("archive", "region")["region"]) & set(published.coordinates)
    points = browser.run("return document.querySelectorAll('#map .mark-symbol path').length")
    assert points == len(with_place) > 5
    countries = browser.run("return document.querySelectorAll('#map .mark-shape path').length")
    assert countries > 150


def test_counts_say_that_some_are_not_told(page: Path, browser: Browser):
    assert not browser.find("#time-note").is_displayed()
    browser.click("#controls input[value=number_of_requests]")
    browser.settle()
    assert re.search(r"days? with requests is not told \(.+\)", browser.find("#time-note").text)
    browser.click("#time-table summary")
    assert any("not told" in text for text in browser.texts("#time-table td"))


def test_counts_hidden_without_a_bound_are_told_apart(
    example: Path, browser: Browser, tmp_path: Path
):
    published = tmp_path / "published"
    shutil.copytree(example / "results/published", published)
    table = published / "summaries/archive/by_day.tsv"
    header, *rows = table.read_text().splitlines()
    untold = ["hidden", *["<50"] * (len(rows) - 1)]
    rows = [
        "\t".join([*row.split("\t")[:2], *[text] * 2])
        for row, text in zip(rows, untold, strict=True)
    ]
    table.write_text("\n".join([header, *rows, ""]))
    browser.window(1280)
    browser.open(usage_page(published, tmp_path / "usage.html"))
    browser.click("#controls input[value=number_of_requests]")
    note = browser.find("#time-note").text
    assert "not told (hidden, <50)" in note
    assert "the pale one is what those of <50 add at most" in note
    browser.click("#time-table summary")
    browser.click("#time-table .more")
    assert "at least 0, 1 day not told" in browser.texts("#time-table td")
    assert {"<50", "hidden"} <= set(browser.texts(".terms code"))


def test_tables_sort_and_say_so(page: Path, browser: Browser):
    head = "#dandisets thead th:first-child"
    browser.click(f"{head} button")
    assert browser.find(head).get_attribute("aria-sort") == "ascending"
    shown = browser.texts("#dandisets tbody th")
    assert shown == sorted(shown)
    browser.click(f"{head} button")
    assert browser.texts("#dandisets tbody th") == sorted(shown, reverse=True)


def test_pointing_at_a_chart_tells_exact_bytes(page: Path, browser: Browser):
    browser.run(
        """
        const strips = [...document.querySelectorAll('#time .mark-rect path')];
        const {x, y, width, height} = strips[0].getBoundingClientRect();
        for (const type of ['pointerover', 'pointermove', 'mouseover', 'mousemove']) {
          strips[0].dispatchEvent(new PointerEvent(type, {
            bubbles: true, clientX: x + width / 2, clientY: y + height / 2}));
        }
        """
    )
    text = browser.until(
        "return document.querySelector('#vg-tooltip-element.visible')?.textContent"
    )
    first = (page.parents[1] / "published/summaries/archive/by_day.tsv").read_text().splitlines()[1]
    day, bytes_sent, *_ = first.split("\t")
    assert day in text
    assert f"{int(bytes_sent):,} bytes" in text


def test_charts_tell_those_who_cannot_see_what_they_show(page: Path, browser: Browser):
    labels = browser.run(
        "return [...document.querySelectorAll('.chart')].map("
        "c => c.getAttribute('role') + ': ' + c.getAttribute('aria-label'))"
    )
    assert len(labels) == 4
    assert all(re.match(r"img: The archive: .{20}", label) for label in labels)
    without_name = browser.run(
        "return [...document.querySelectorAll('input, button, table')].filter(e => !("
        "e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))"
        ".map(e => e.outerHTML)"
    )
    assert without_name == []


def test_keys_alone_reach_the_controls(page: Path, browser: Browser):
    browser.run("document.querySelector('#controls input:checked').focus()")
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    browser.until("return document.getElementById('time-title').textContent.startsWith('Requests')")


def test_bytes_that_were_rounded_to_fit_are_not_called_exact(
    example: Path, browser: Browser, tmp_path: Path
):
    page = usage_page(example / "results/published", tmp_path / "usage.html", most=1)
    browser.window(1280)
    browser.open(page, "#000003")
    assert "rounded to 2 digits" in browser.find("#time-note").text
    browser.click("#time-table summary")
    assert any("(to 2 digits)" in text for text in browser.texts("#time-table td"))
    assert browser.find("#regions td.bytes").get_attribute("title") == "to 2 digits"
    assert "bytes" in browser.find("#assets td.bytes").get_attribute("title")
    browser.go("archive")
    assert not browser.find("#time-note").is_displayed()


HOSTILE = "<img src=x onerror=hacked()>/</script><script>hacked()</script>/\"'`&amp;.nwb"


def test_hostile_names_are_only_text(example: Path, browser: Browser, tmp_path: Path):
    published = tmp_path / "published"
    shutil.copytree(example / "results/published", published)
    for kind, name in [("asset", HOSTILE), ("region", f"US/{HOSTILE}")]:
        for id_ in ("000003", "archive"):
            table = published / f"summaries/{id_}/by_{kind}.tsv"
            if table.exists():
                header, *rows = table.read_text().splitlines()
                rows = [f"{name}\t99999999999\t{HOSTILE}\t<50", *rows]
                table.write_text("\n".join([header, *rows, ""]))
    with (published / "region_codes_to_coordinates.yaml").open("a") as file:
        file.write(json.dumps({f"US/{HOSTILE}": {"latitude": 1.5, "longitude": 2.5}})[1:-1] + "\n")
    page = usage_page(published, tmp_path / "usage.html")
    browser.window(1280)
    for state in ("archive", "000003"):
        browser.open(page, f"#{state}")
        browser.click("#controls input[value=number_of_requests]")
        browser.settle()
        assert f"US/{HOSTILE}" in browser.texts("#regions tbody th")
        assert browser.run("return document.querySelectorAll('img').length") == 0
        quiet(browser, page)
    assert HOSTILE in browser.texts("#assets tbody th")


def test_a_large_archive_stays_small_enough(tmp_path: Path, browser: Browser):
    Archive(tmp_path / "published", dandisets=1000).write()
    page = usage_page(tmp_path / "published", tmp_path / "usage.html")
    assert page.stat().st_size < 15 * MEGABYTE
    browser.window(1280)
    browser.open(page)
    assert len(browser.texts("#dandisets tbody th")) == 25
    browser.find("#dandisets input").send_keys("00099")
    found = {"000099", *(f"{number:06}" for number in range(990, 1000))}
    assert set(browser.texts("#dandisets tbody th")) == found
    browser.go("000500")
    assert browser.find("#title").text == "Dandiset 000500"
    quiet(browser, page)
