"""Raw logs in S3: which days lie there, told by as few requests as it takes, and a day at hand.

Snakemake's storage plugin for S3 makes the connection and transfers the data. What it would ask
about each object each time a run is planned, the listing has told already.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from _files import PRIVATE_FOLDER, write_json
from _log import UserError
from _raw_logs import Day, named_day, size_of

SCHEME = "s3://"
LOCAL = Path(".snakemake/storage/raw_logs")
INSTALL = "Install what reading from S3 needs: make env-s3."

Settings = dict[str, Any]
"""`storage.s3` of the configuration."""


class StoredDay(NamedTuple):
    """A day in a bucket.

    Attributes:
        url: Of its object, or of the folder of its objects, without a slash at the end.
        bytes: All its objects together.
        etags: SHA-256 over name, size and ETag of each of its objects. It is another one when one
            of them was added, changed or deleted.
    """

    url: str
    bytes: int
    etags: str


class Listing(NamedTuple):
    """What a bucket holds.

    Attributes:
        days: In order of time.
        strays: What stands where a day would stand but has a name that is no date.
        listed_all: The day (UTC) on which the bucket was listed from its beginning.
    """

    days: dict[Day, StoredDay]
    strays: list[str]
    listed_all: date


def is_object_store(raw_logs: str) -> bool:
    """Whether the raw logs are in S3, not in a folder."""
    return raw_logs.startswith(SCHEME)


def address(raw_logs: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`; the prefix is empty or ends with a slash.

    Raises:
        UserError: It has another form.
    """
    found = re.fullmatch(
        rf"{SCHEME}([a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])((?:/[^/\s]+)*)/?", raw_logs
    )
    if not found or {".", ".."} & set(found[2].split("/")):
        raise UserError(f"raw_logs: {raw_logs} is not of the form s3://bucket/prefix.")
    return found[1], f"{found[2][1:]}/" if found[2] else ""


def local_place(raw_logs: str) -> Path:
    """Where Snakemake would keep what it fetches of a bucket; nothing ever lies there."""
    return LOCAL / raw_logs.removeprefix(SCHEME).rstrip("/")


# --- What was listed before ----------------------------------------------------------------------


def _memory(raw_logs: str, settings: Settings, cache: Path) -> Path:
    name = f"{settings.get('endpoint_url', '')} {raw_logs.rstrip('/')}"
    return cache / "raw_logs" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def remember(listing: Listing, raw_logs: str, settings: Settings, cache: Path) -> None:
    """Keep a listing in the cache, for the next run and for the jobs of this one."""
    write_json(
        _memory(raw_logs, settings, cache),
        {
            "raw_logs": raw_logs,
            "listed_all": listing.listed_all.isoformat(),
            "days": {str(day): stored._asdict() for day, stored in listing.days.items()},
        },
    )


def _recall(file: Path) -> Listing | None:
    """What was kept, if there is anything."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    days = {Day(*day.split("/")): StoredDay(**stored) for day, stored in kept["days"].items()}
    return Listing(dict(sorted(days.items())), [], date.fromisoformat(kept["listed_all"]))


# --- Listing -------------------------------------------------------------------------------------


class _Object(NamedTuple):
    key: str
    size: int
    etag: str


def list_days(
    raw_logs: str,
    settings: Settings,
    cache: Path,
    *,
    is_listed: bool = False,
    today: date | None = None,
) -> Listing:
    """List the days of a bucket: all of them, or only those that may be new or have changed.

    A request lists up to 1000 objects. From what is known, only the days since the newest one, and
    those of the `relist_days` before it, are listed again; all days, when that was last done
    `list_all_days` ago.

    Args:
        raw_logs: `s3://bucket/prefix`.
        settings: How to reach it, and how much to list.
        cache: Folder with what is known.
        is_listed: Whether this run has listed it already, so that what is known is enough.
        today: By UTC; for tests.

    Raises:
        UserError: The bucket cannot be listed, or holds a day twice.
    """
    known = _recall(_memory(raw_logs, settings, cache))
    if known and is_listed:
        return known
    today = today or datetime.now(UTC).date()
    bucket, prefix = address(raw_logs)
    root = f"{SCHEME}{bucket}/"
    with told_of(raw_logs, settings):
        client = _connect(settings).s3c.meta.client
        if not known or not known.days or _is_old(known, settings, today):
            days, strays = _days_of(root, prefix, _all(client, bucket, prefix))
            return Listing(days, strays, today)
        newest = _date_of(max(known.days))
        since = newest - timedelta(days=settings["relist_days"])
        objects = _since(client, bucket, prefix, since, max(newest, today))
        days, strays = _days_of(root, prefix, objects)
    older = {day: stored for day, stored in known.days.items() if _date_of(day) < since}
    return Listing({**older, **days}, strays, known.listed_all)


def _is_old(known: Listing, settings: Settings, today: date) -> bool:
    return today - known.listed_all >= timedelta(days=settings["list_all_days"])


def _date_of(day: Day) -> date:
    return date(int(day.year), int(day.month), int(day.day))


def _all(client: Any, bucket: str, prefix: str) -> Iterator[_Object]:
    """All objects below the years of a prefix; other folders are not looked into."""
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    folders = [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])]
    for folder in folders:
        if re.fullmatch("[0-9]{4}/", folder.removeprefix(prefix)):
            yield from _objects(client, Bucket=bucket, Prefix=folder)


def _since(client: Any, bucket: str, prefix: str, since: date, until: date) -> Iterator[_Object]:
    """The objects of some months, from a day of the first one on."""
    month = since.replace(day=1)
    while month <= until:
        yield from _objects(
            client,
            Bucket=bucket,
            Prefix=f"{prefix}{month:%Y/%m}/",
            StartAfter=f"{prefix}{max(since, month):%Y/%m/%d}",
        )
        month = (month + timedelta(days=31)).replace(day=1)


def _objects(client: Any, **asked: str) -> Iterator[_Object]:
    for page in client.get_paginator("list_objects_v2").paginate(**asked):
        for found in page.get("Contents", []):
            yield _Object(found["Key"], found["Size"], found["ETag"])


def _days_of(
    root: str, prefix: str, objects: Iterable[_Object]
) -> tuple[dict[Day, StoredDay], list[str]]:
    """Bring the objects of each day together, and name those that belong to none.

    Raises:
        UserError: A day is there twice, as `01.log` and `01/` for example, or a key would lead out
            of the folder that its day is fetched into.
    """
    of_days: dict[Day, dict[str, list[_Object]]] = {}
    strays: list[str] = []
    for each in objects:
        year, month, name, *inside = each.key.removeprefix(prefix).split("/")[:5] + [""] * 3
        if ".." in each.key.split("/"):
            raise UserError(f"{root}{each.key} would leave its folder. Rename it in the bucket.")
        hidden = any(part.startswith(".") for part in (year, month, name, *inside))
        if hidden or each.key.endswith("/") or not name:
            continue
        is_folder = bool(inside[0])
        day = named_day(year, month, name, is_folder=is_folder)
        url = f"{root}{prefix}{year}/{month}/{name}"
        if day is None:
            strays.append(url)
        elif not is_folder or not inside[1]:
            of_days.setdefault(day, {}).setdefault(url, []).append(each)
    days = {day: _stored(places) for day, places in sorted(of_days.items())}
    return days, sorted(set(strays))


def _stored(places: dict[str, list[_Object]]) -> StoredDay:
    if len(places) > 1:
        one, other, *_ = sorted(places)
        raise UserError(f"{one} and {other} are the same day. Leave one of them in the bucket.")
    ((url, objects),) = places.items()
    digest = hashlib.sha256()
    for each in sorted(objects):
        digest.update(f"{each.key.rpartition('/')[2]}\t{each.size}\t{each.etag}\n".encode())
    return StoredDay(url, sum(each.size for each in objects), digest.hexdigest())


# --- The plugin ----------------------------------------------------------------------------------


def check_plugin() -> None:
    """Refuse to go on without the plugin.

    Raises:
        UserError: It is not installed.
    """
    try:
        import snakemake_storage_plugin_s3  # noqa: F401
    except ModuleNotFoundError:
        raise UserError(f"raw_logs is in S3. {INSTALL}") from None


def _connect(settings: Settings) -> Any:
    """The plugin's connection. Credentials come from the environment or from AWS's own files."""
    from snakemake_storage_plugin_s3 import StorageProvider, StorageProviderSettings

    return StorageProvider(
        local_prefix=Path(),
        logger=logging.getLogger(__name__),
        settings=StorageProviderSettings(
            endpoint_url=settings.get("endpoint_url"),
            region=settings.get("region"),
            retries=settings["tries"] - 1,
        ),
    )


@contextmanager
def told_of(raw_logs: str, settings: Settings) -> Iterator[None]:
    """Turn what goes wrong between here and S3 into what the user can do about it.

    Raises:
        UserError: Something has gone wrong.
    """
    import botocore.exceptions as faults

    where = settings.get("endpoint_url") or "AWS"
    try:
        yield
    except (faults.NoCredentialsError, faults.PartialCredentialsError, faults.ProfileNotFound):
        raise UserError(
            f"There are no credentials for {raw_logs}. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        ) from None
    except faults.ClientError as error:
        raise UserError(_advice(raw_logs, where, error.response)) from None
    except faults.BotoCoreError as error:
        raise UserError(
            f"{where} cannot be reached for {raw_logs} ({type(error).__name__}). Check "
            "storage.s3.endpoint_url and the network, and run again."
        ) from None


def _advice(raw_logs: str, where: str, response: dict[str, Any]) -> str:
    code = response.get("Error", {}).get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return f"There is no bucket of {raw_logs} at {where}. Check raw_logs."
    if code in ("InvalidObjectState", "ObjectNotInActiveTierError"):
        return f"{raw_logs} lies in an archive (Glacier). Restore it there, and run again."
    if status in (301, 307, 400) and code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
        return f"The bucket of {raw_logs} is in another region. Set storage.s3.region."
    if code in ("ExpiredToken", "RequestExpired"):
        return f"The credentials for {raw_logs} have expired. Renew them, and run again."
    if status == 404:
        return f"{raw_logs} is not there any more. Run again."
    if status in (400, 401, 403):
        return (
            f"{where} does not let these credentials read {raw_logs} ({code or status}). They need "
            "s3:ListBucket and s3:GetObject."
        )
    return f"{where} answered {code or status} for {raw_logs}, each time. Run again later."


def stored_input(day: StoredDay) -> Any:
    """A day in a bucket as the input of a rule, about which Snakemake need not ask the bucket.

    Its job fetches it itself: Snakemake would do that for one job after the other, where it was
    started, and end the whole run if it failed.
    """
    from _stored_input import provider
    from snakemake.storage import flag_with_storage_object

    stored = provider().object(day.url)
    return flag_with_storage_object(stored.query, stored)


@contextmanager
def at_hand(day: StoredDay, settings: Settings, folder: Path) -> Iterator[Path]:
    """Fetch a day into a private folder, which is deleted afterwards.

    Args:
        day: As it was listed.
        settings: How to reach it.
        folder: Is made for it. What a killed job has left there is deleted.

    Raises:
        UserError: The day cannot be fetched, or is not what was listed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True)
    try:
        check_plugin()
        path = folder / day.url.rpartition("/")[2]
        with told_of(day.url, settings):
            stored = _connect(settings).object(day.url)
            stored.set_local_path(path)
            stored.retrieve_object()
        if size_of(path) != day.bytes:
            raise UserError(f"{day.url} has changed since the bucket was listed. Run again.")
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)
