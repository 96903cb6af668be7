"""What the stages share: the checked configuration, and which days, months and Dandisets there are."""

import json
import re
import secrets
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from _attempts import last_attempt, next_number
from _config import check, config_digest, excluded_years, exclusion_token, found, is_url, selects
from _files import AT_WORK, hold, holder, keep_private, made_once, sweep
from _log import UserError, advice, has_failed
from _object_store import StoredDay, is_object_store, list_days, local_place, remember, stored_input
from _published import is_as_noted
from _raw_logs import Day, find_days, fingerprint, newest_file, size_of
from _refresh import Selection, as_text, fault_report, folder_of, now, plan, read_state, token
from _report_parts import FIGURES, RUN_PAGE_PARTS, USAGE_PAGE_PARTS
from _sizing import by_requests, by_size
from _slurm import end_jobs, forget_jobs, note_jobs
from _software import VERSION, git_commit
from _termination import answer_beside_work
from snakemake.exceptions import IncompleteCheckpointException, WorkflowError
from snakemake.logging import logger

# Snakemake does not tell its targets before the rules are read.
DO_WITHOUT_LISTING = {"reduce_all", "bin_all", "status"}
LISTS_DANDISETS = workflow.is_main_process and not DO_WITHOUT_LISTING & set(sys.argv)

try:
    check(
        config,
        Path(workflow.basedir),
        lists_dandisets=LISTS_DANDISETS,
    )
    if is_object_store(config["raw_logs"]):
        RAW_LOGS = local_place(config["raw_logs"])
        LISTING = list_days(
            config["raw_logs"],
            config["storage"]["s3"],
            Path(config["cache"]),
            is_listed=not workflow.is_main_process,
        )
        RAW_DAYS, STRAYS = LISTING.days, LISTING.strays
    else:
        RAW_LOGS = found(config["raw_logs"], Path(workflow.basedir))
        LISTING = None
        RAW_DAYS, STRAYS = find_days(RAW_LOGS)
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = config["results"].rstrip("/")
CACHE = config["cache"].rstrip("/")
CONDA = "../envs/workflow.yaml"
SLURM_NOTE = Path(RESULTS) / ".slurm"

# Snakemake does not tell this either, before the rules are read.
ONLY_LOOKS = any(re.fullmatch("status|--dry-?run|-[a-z]*n[a-z]*", word) for word in sys.argv)


def end_left_jobs() -> None:
    """End what a killed run has left in Slurm: a job that ends deletes what it has half made."""
    if count := end_jobs(SLURM_NOTE):
        logger.warning(f"Cancelled {count} Slurm jobs that a killed run had left at work.")


if workflow.is_main_process and not ONLY_LOOKS and SLURM_NOTE.exists():
    # Held meanwhile, for the jobs may be those of a run at work. If it cannot be done, a run says
    # so when it begins.
    with suppress(UserError, OSError), hold(Path(RESULTS)):
        end_left_jobs()

# Before anything looks at the results: what is planned must still hold when the run begins.
HELD_BEFORE = holder(Path(RESULTS)) if workflow.is_main_process else ""

if workflow.is_main_process:
    for stray in STRAYS:
        logger.warning(f"Left out, for its name is no date: {stray}")


def reduced_days() -> set[Day]:
    """Days that were reduced before: they count even after their raw log has been archived away."""
    parts = (path.parts[-3:] for path in Path(RESULTS).glob("reduced/*/*/*.parquet"))
    days = (Day.parse(year, month, name.removesuffix(".parquet")) for year, month, name in parts)
    return {day for day in days if day}


def days_by_month() -> dict[tuple[str, str], list[Day]]:
    """The days of each month that has any, in order."""
    months: dict[tuple[str, str], list[Day]] = {}
    for day in counted_days(RAW_DAYS.keys() | reduced_days()):
        months.setdefault(day[:2], []).append(day)
    return months


def counted_days(days: Iterable[Day]) -> list[Day]:
    """Those of some days that count, in order: the configuration can leave out years."""
    left_out = excluded_years(config)
    return [day for day in sorted(days) if int(day.year) not in left_out]


MONTHS = days_by_month()


def of_days(pattern: str, days: list[Day]) -> list[str]:
    """`pattern` filled in for each day."""
    return [pattern.format(year=day.year, month=day.month, day=day.day) for day in days]


def of_months(pattern: str) -> list[str]:
    """`pattern` filled in for each month."""
    return [pattern.format(year=year, month=month) for year, month in MONTHS]


def of_years(pattern: str) -> list[str]:
    """`pattern` filled in for each year."""
    return [pattern.format(year=year) for year in dict.fromkeys(year for year, _ in MONTHS)]


HELD = []

# With Snakemake's records, which hold what it is the key to.
EXCLUSION_KEY = Path(".snakemake/exclusions.key")


def take_folders() -> None:
    """Hold the results for this run alone, and close the private folders to others.

    Snakemake's own lock outlives a killed run; profiles/default turns it off. To look at the status
    takes no hold: that shall be possible while a run is at work.
    """
    if set(workflow.dag_settings.targets) == {"status"}:
        return
    try:
        HELD.append(hold(Path(RESULTS), HELD_BEFORE))
        take_over_jobs()
        for folder in ("reduced", "binned", "lookup"):
            keep_private(Path(RESULTS) / folder)
        keep_private(Path(CACHE))
        # A job that is killed leaves its settings there, and with them excluded addresses.
        keep_private(EXCLUSION_KEY.parent)
        if LISTING:
            remember(LISTING, config["raw_logs"], config["storage"]["s3"], Path(CACHE))
        made_once(EXCLUSION_KEY, secrets.token_hex(32))
        sweep(Path(RESULTS), "*", "reduced/*/*")
        sweep(Path(CACHE), "*", "dandisets/*/*")
    except UserError as error:
        raise WorkflowError(str(error)) from None
    except OSError as error:
        raise WorkflowError(advice(error) or str(error)) from None


def take_over_jobs() -> None:
    """Note how the jobs of this run are named in Slurm, once those of a killed one have ended."""
    end_left_jobs()
    # Snakemake's plugin for Slurm has this, other executors do not.
    if name := getattr(workflow.scheduler._executor, "run_uuid", None):
        note_jobs(SLURM_NOTE, name)


def forget_jobs_of_run() -> None:
    """Forget how the jobs of this run are named, now that they have ended.

    What only looks may come to an end while a run is at work, and then leaves its note alone.
    """
    if HELD:
        forget_jobs(SLURM_NOTE)


def in_group(name: str, log: str):
    """A group function: the group of small jobs that share one of the cluster, for a rule's log.

    A group fails as a whole. So what failed the last time is left alone, not to hold up others.
    """

    def group_of(wildcards) -> str | None:
        if not workflow.is_main_process:
            return name
        alone = workflow.local_exec or has_failed(Path(log.format(**wildcards)))
        return None if alone else name

    return group_of


def raw_day(wildcards) -> list[str]:
    """The raw log of a day: its file, or its folder and the newest of the files in it.

    The folder's own time tells of files that came or went, its newest file's of one that changed.
    Of a day in an object store `raw_stored` tells.
    """
    path = RAW_DAYS.get(Day(wildcards.year, wildcards.month, wildcards.day))
    if path is None:
        # Not there (any more). A reduced day keeps counting without it.
        return [f"{RAW_LOGS}/{wildcards.year}/{wildcards.month}/{wildcards.day}.log"]
    if isinstance(path, StoredDay):
        return [stored_input(path)]
    return (
        [str(path)] if path.is_file() else list(dict.fromkeys(map(str, (path, newest_file(path)))))
    )


def raw_state(wildcards) -> str:
    """What a raw day's files look like: that one changed shows even where its time was set back."""
    path = RAW_DAYS.get(Day(wildcards.year, wildcards.month, wildcards.day))
    if isinstance(path, StoredDay):
        return path.etags
    return fingerprint(path) if path else ""


def raw_bytes(wildcards) -> int:
    """The size of a raw day on disk."""
    path = RAW_DAYS.get(Day(wildcards.year, wildcards.month, wildcards.day))
    if isinstance(path, StoredDay):
        return path.bytes
    return size_of(path) if path else 0


def raw_stored(wildcards) -> dict | None:
    """Where a day is in an object store, for the job that fetches it; else None."""
    day = RAW_DAYS.get(Day(wildcards.year, wildcards.month, wildcards.day))
    return day._asdict() if isinstance(day, StoredDay) else None


def excluded_addresses(wildcards) -> str:
    """What tells Snakemake that the excluded addresses changed. The first run makes the key."""
    return exclusion_token(config["exclude"]["ips"], EXCLUSION_KEY)


def days_of_month(pattern: str):
    """An input function: `pattern` for each day of the job's month."""
    return lambda wildcards: of_days(pattern, MONTHS[wildcards.year, wildcards.month])


def days_of_year(pattern: str):
    """An input function: `pattern` for each day of the job's year."""
    return lambda wildcards: [
        file
        for (year, _), days in MONTHS.items()
        if year == wildcards.year
        for file in of_days(pattern, days)
    ]


def found_input(name: str) -> str:
    """A file named in the configuration, where it is."""
    return str(found(name, Path(workflow.basedir)))


def mmdb_input() -> list[str]:
    """The provider's database, if that is what the provider is."""
    regions = config["regions"]
    return [found_input(regions["mmdb"])] if regions["provider"] == "mmdb" else []


def service_sources() -> dict[str, str]:
    """The range document of each service: its URL, or its file where that is."""
    services = config["regions"]["services"]
    return {
        label: source if is_url(source) else found_input(source)
        for label, source in services.items()
    }


def attempt_of_locate() -> int:
    """The number of the coming run of `locate`: it changes when there is something to ask again."""
    regions = config["regions"]
    return next_number(
        last_attempt(Path(CACHE)),
        today=datetime.now(UTC).date(),
        recheck_days=regions["recheck_days"],
        max_lookups=regions.get("max_lookups"),
    )


def waited_for(step) -> str | None:
    """What a job has to wait for instead of its input: a checkpoint that has not run; else None.

    Snakemake sees by its output that the input is another one once it has run. Left alone, the
    exception makes it form the job and look at the whole plan twice as often.
    """
    try:
        step.get()
    except IncompleteCheckpointException as incomplete:
        return incomplete.targetfile
    return None


def routed_month(pattern: str):
    """An input function: `pattern` for the job's month, once `route` has written it."""

    def of_month(wildcards) -> str:
        return waited_for(checkpoints.route) or pattern.format(**wildcards)

    return of_month


def missing_of(told: str, files) -> list[str]:
    """Which files of a checkpoint are gone though it says that it wrote them.

    Snakemake knows of a checkpoint's declared output alone. As one of its params this makes it run
    again, and once more when nothing is missing any more; otherwise every run would end at the
    missing file.

    Args:
        told: The declared output: JSON.
        files: A function that names the files by what is in it.
    """
    if not Path(told).exists():
        return []
    wanted = files(json.loads(Path(told).read_text(encoding="utf-8")))
    return [file for file in wanted if not Path(file).exists()]


def missing_routes(wildcards) -> list[str]:
    """The files of `route` that are gone."""
    return missing_of(
        f"{RESULTS}/lookup/routed.json",
        lambda months: [
            f"{RESULTS}/lookup/{month}{end}.parquet" for month in months for end in ("", ".regions")
        ],
    )


def missing_activity(wildcards) -> list[str]:
    """The files of `gather` that are gone."""
    return missing_of(
        f"{RESULTS}/activity/gathered.json",
        lambda told: [
            f"{RESULTS}/activity/{dandiset}{end}.parquet"
            for dandiset in told["dandisets"]
            for end in ("", ".assets")
        ],
    )


def mapped_dandisets(wildcards) -> list[str]:
    """The mapped Dandisets of this run: those with activity that the configuration selects."""
    if awaited := waited_for(checkpoints.gather):
        return [awaited]
    gathered = Path(f"{RESULTS}/activity/gathered.json")
    return [
        f"{RESULTS}/mapped/{dandiset}/dandiset_totals.json"
        for dandiset in sorted(json.loads(gathered.read_text())["dandisets"])
        if selects(config, dandiset)
    ]


def results_of_run() -> list[str]:
    """All that a run leaves for people, and the tables that `map` reads without being told which.

    Snakemake makes a lost file again only if a target asks for it.
    """
    return [
        f"{RESULTS}/accounting.tsv",
        *(
            file
            for end in ("", ".labels", ".usage")
            for file in of_months(f"{RESULTS}/assigned/{{year}}-{{month}}{end}.parquet")
        ),
        *(
            f"{RESULTS}/mapped/{name}"
            for name in (
                "archive_summary_by_day.tsv",
                "archive_summary_by_region.tsv",
                "archive_summary_by_asset_type_per_week.tsv",
                "archive_totals.json",
                "all_dandiset_totals.json",
                "region_codes_to_coordinates.yaml",
            )
        ),
        f"{RESULTS}/published.json",
    ]


def listing_plan() -> tuple[str, str]:
    """When the listing of Dandisets is fetched: the token for Snakemake, and a line to read.

    No network: only what the last time left in the cache.
    """
    dandi = config["dandi"]
    state = read_state(folder_of(Path(CACHE), dandi["api_url"]))
    selection = Selection(
        only=tuple(config["restrict_to_dandisets"]), without=tuple(config["exclude"]["dandisets"])
    )
    today = as_text(now())[:10]
    # Snakemake records what its main process says; a job's own process reads this file again.
    moment = time.time_ns() if workflow.is_main_process else 0
    return (
        token(state, dandi["refresh"], today, moment),
        plan(state, dandi["refresh"], selection, today),
    )


LISTING_TOKEN, LISTING_PLAN = listing_plan()

if workflow.is_main_process and config["dandi"]["source"] == "api":
    logger.info(LISTING_PLAN)


def listing_input(wildcards) -> str:
    """The listing of Dandisets: the configured snapshot, or what the API told."""
    if config["dandi"]["source"] == "api":
        return f"{RESULTS}/dandisets/listing.parquet"
    return found_input(config["dandi"]["snapshot"])


def missing_listing_input(wildcards) -> list[str]:
    """The listing of Dandisets, unless it is there: then it is taken as it is."""
    listing = listing_input(wildcards)
    return [] if Path(listing).exists() else [listing]


def listing_check() -> list[str]:
    """What ends a run with an error if a Dandiset has no listing: asked for from the API only."""
    return [f"{RESULTS}/dandisets/checked"] if config["dandi"]["source"] == "api" else []


def tell_faults_of_listing() -> None:
    """Say at the end of a run which Dandisets keep their last listing, or have none."""
    fetched = Path(RESULTS) / "dandisets" / "fetched.json"
    if config["dandi"]["source"] == "api" and fetched.exists():
        told = json.loads(fetched.read_text(encoding="utf-8"))
        for line in fault_report(told["faults"], told["missing"]):
            logger.warning(f"Dandiset listing: {line}")


STARTED = time.time()


def tell_gaps_in_coordinates() -> None:
    """Say at the end of a run that located the regions which of them are on no map."""
    told = Path(RESULTS) / "gaps_in_coordinates.txt"
    if told.exists() and told.stat().st_mtime >= STARTED:
        for line in told.read_text(encoding="utf-8").splitlines():
            logger.warning(f"Coordinates: {line}")


SNAKEMAKE_LOGS = ".snakemake/log"


def report_source(name: str) -> str:
    """A template, a style, a script or data of the report."""
    return str(Path(workflow.basedir) / "resources" / "report" / name)


def made_figures() -> list[str]:
    """For Snakemake's own report: the figures that are there, though nobody asked for them.

    It holds what its targets need, and `all` needs no figure.
    """
    figures = [f"{RESULTS}/report/figures/{name}.svg" for name in FIGURES]
    return [path for path in figures if "--report" in sys.argv and Path(path).exists()]


def tell_failed_run() -> None:
    """Write the page on the runs anew when a run fails, for then no job comes to it.

    Only where there is such a page, or one was asked for.
    """
    page = Path(RESULTS) / "report" / "run.html"
    if HELD and (page.exists() or "report" in sys.argv):
        # It takes a second to import what draws it.
        from report_run import main

        main(
            results=Path(RESULTS),
            snakemake_logs=Path(SNAKEMAKE_LOGS),
            template=Path(report_source("run.html.jinja")),
            excluded_years=excluded_years(config),
            is_last_job=False,
            page_file=page,
        )
        logger.info(f"How the run went: {page}")


def forget_note_of_lost_files() -> bool:
    """Delete the note of what is published if the folder is not so, to have it made again.

    A dry run deletes nothing. To show that `publish` comes, it has a param there that no run has:
    the run after one that had it would publish once more.

    Returns:
        Whether the note is left to a dry run.
    """
    note = Path(RESULTS) / "published.json"
    if is_as_noted(Path(RESULTS) / "published", note):
        return False
    if workflow.output_settings.dryrun:
        return True
    # Where nothing may be written, a run says so when it begins.
    with suppress(OSError):
        note.unlink()
    return False


LOSS_TO_SHOW = workflow.is_main_process and forget_note_of_lost_files()
