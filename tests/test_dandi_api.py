"""The listing of Dandisets as it comes from the archive's API, against a fake one."""

import datetime as dt
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _dandi_api
import _refresh
import check_dandisets
import fetch_dandisets
import polars as pl
import pytest
import snapshot
from _config import check, config_digest
from _dandi_api import Api, ApiError, Limits, UnavailableError
from _dandi_cache import Cache
from _listing import canonical, describe, first_problem, read_snapshot
from _log import UserError
from _refresh import THE_LIST, Selection, State, folder_of, is_due, read_state, token
from _software import git_commit
from fake_dandi import (
    FakeArchive,
    asset,
    body,
    cut,
    drip,
    drop,
    meanwhile,
    page,
    stall,
    status,
)

ROOT = Path(__file__).parent.parent
QUICK = Limits(connections=3, timeout=5, tries=4, wait=0.01, give_up_after=5)
LIST = "/dandisets/"
TODAY = _refresh.as_text(_refresh.now())[:10]


def versions_of(dandiset: str) -> str:
    return f"/dandisets/{dandiset}/versions/"


def assets_of(dandiset: str, version: str = "draft") -> str:
    return f"/dandisets/{dandiset}/versions/{version}/assets/"


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with FakeArchive() as fake:
        yield fake


class Runner:
    """Fetches from an archive into a folder, again and again."""

    def __init__(self, archive: FakeArchive, folder: Path) -> None:
        self.archive = archive
        self.cache = folder / "cache"
        self.listing = folder / "listing.parquet"
        self.fetched = folder / "fetched.json"

    def __call__(self, refresh: str = "always", **options: Any) -> dict[str, Any]:
        """Fetch; returns the account."""
        fetch_dandisets.main(
            api_url=self.archive.url,
            limits=options.pop("limits", QUICK),
            refresh=refresh,
            selection=Selection(**options),
            cache=self.cache,
            listing=self.listing,
            fetched=self.fetched,
        )
        return json.loads(self.fetched.read_text())

    def rows(self, *columns: str) -> list[tuple]:
        table = pl.read_parquet(self.listing)
        return table.select(columns or ("dandiset", "version", "path")).rows()

    def equals_archive(self, folder: Path) -> bool:
        """Whether the listing is exactly what the archive holds now."""
        path = folder / "expected.tsv"
        path.write_text(self.archive.snapshot(), encoding="utf-8")
        return canonical(read_snapshot(path).collect()).equals(pl.read_parquet(self.listing))


@pytest.fixture
def fetch(archive: FakeArchive, tmp_path: Path) -> Runner:
    return Runner(archive, tmp_path)


def three_dandisets(archive: FakeArchive) -> None:
    archive.add("000001", [asset("sub-01/a.nwb"), asset("b.zarr", "zarr")])
    archive.add("000002", [asset("c.nwb")], v0_240101_0000=[asset("old c.nwb"), asset("c.nwb")])
    archive.add("000003", [], v0_240101_0000=[asset("d.nwb")], v0_240201_0000=[asset("e.nwb")])


# --- All of it ---


def test_everything_is_listed(archive, fetch, tmp_path):
    three_dandisets(archive)
    told = fetch()
    assert fetch.equals_archive(tmp_path)
    assert (told["faults"], told["missing"], told["not_asked_for"]) == ({}, [], [])
    assert archive.most_at_once <= QUICK.connections
    # The list, two lists of versions, three published versions, three drafts.
    assert len(archive.requests) == 1 + 2 + 3 + 3


def test_requests_are_those_of_the_documented_api(archive, fetch):
    three_dandisets(archive)
    fetch()
    assert archive.requests[0] == "/dandisets/?ordering=id&page_size=1000"
    assert set(archive.requests) >= {
        "/dandisets/000002/versions/?page_size=1000",
        "/dandisets/000001/versions/draft/assets/?order=path&page_size=1000",
    }


def test_more_than_a_page_of_assets(archive, fetch, tmp_path):
    archive.add("000001", [asset(f"{number:04}.nwb") for number in range(2_500)])
    fetch()
    assert fetch.equals_archive(tmp_path)
    assert archive.paths().count(assets_of("000001")) == 3


def test_more_than_a_page_of_dandisets_and_versions(fetch, archive, tmp_path):
    archive.page_size = 4
    versions = {f"v0_24010{day}_0000": [asset(f"{day}.nwb")] for day in range(1, 8)}
    for number in range(9):
        archive.add(f"{number:06}", [asset(f"{number}/{part}.nwb") for part in range(number)])
    archive.add("000100", [], **versions)
    fetch()
    assert fetch.equals_archive(tmp_path)
    assert archive.paths().count(LIST) == 3
    assert archive.paths().count(versions_of("000100")) == 2


def test_times_may_lack_their_fraction(archive, fetch):
    archive.add(
        "000001",
        [
            asset("a", created="2024-01-01T00:00:00Z"),
            asset("b", created="2024-01-01T00:00:00.000001Z"),
            asset("c", created="2024-01-01T00:00:00.5Z"),
        ],
    )
    fetch()
    instant = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert [time - instant for (time,) in fetch.rows("created")] == [
        dt.timedelta(microseconds=n) for n in (0, 1, 500_000)
    ]


def test_versions_may_be_null(archive, fetch):
    archive.add("000001", None, v0_240101_0000=[asset("a")])
    archive.add("000002", None)
    archive.add("000003", [])
    told = fetch()
    assert fetch.rows() == [("000001", "0.240101.0000", "a")]
    assert told["missing"] == []


def test_a_next_page_of_another_host_is_asked_for_here(archive, fetch, tmp_path):
    archive.page_size = 2
    archive.add("000001", [asset(name) for name in "abc"])

    def elsewhere(content):
        content["next"] = content["next"].replace(archive.url, "http://internal.invalid/v1")

    archive.on(assets_of("000001"), page(elsewhere), nth=1)
    fetch()
    assert fetch.equals_archive(tmp_path)


# --- Only what is new ---


def test_second_run_without_news_walks_the_list_only(archive, fetch):
    three_dandisets(archive)
    fetch()
    before = fetch.listing.read_bytes()
    archive.heal()
    fetch()
    assert archive.paths() == [LIST]
    assert fetch.listing.read_bytes() == before


def test_changed_draft_and_new_version_alone_are_fetched(archive, fetch, tmp_path):
    three_dandisets(archive)
    fetch()
    archive.heal()
    archive.dandisets["000001"].draft.assets.append(asset("new.nwb"))
    archive.dandisets["000001"].draft.modified = "2024-02-01T00:00:00Z"
    changed = archive.dandisets["000002"]
    changed.published.append(type(changed.draft)("0.240301.0000", list(changed.draft.assets)))
    fetch()
    assert fetch.equals_archive(tmp_path)
    assert sorted(archive.paths()) == sorted(
        [
            LIST,
            assets_of("000001"),
            versions_of("000002"),
            assets_of("000002", "0.240301.0000"),
        ]
    )


def test_removed_assets_stay_known(archive, fetch):
    three_dandisets(archive)
    fetch()
    draft = archive.dandisets["000001"].draft
    first, second = draft.assets
    draft.assets = [second | {"size": 999}]  # a Zarr that grew is the same asset
    draft.modified = "2024-02-01T00:00:00Z"
    fetch()
    of_one = [row[1:] for row in fetch.rows() if row[0] == "000001"]
    assert of_one == [("", "sub-01/a.nwb"), ("draft", "b.zarr")]
    draft.assets = [first]
    draft.modified = "2024-03-01T00:00:00Z"
    fetch()
    of_one = [row[1:] for row in fetch.rows() if row[0] == "000001"]
    assert of_one == [("", "b.zarr"), ("draft", "sub-01/a.nwb")]


def test_an_asset_that_a_published_version_has_is_not_removed(archive, fetch):
    it = archive.add("000001", [asset("a"), asset("b")], v0_240101_0000=[asset("a")])
    fetch()
    it.draft.assets, it.draft.modified = [], "2024-02-01T00:00:00Z"
    fetch()
    assert fetch.rows("version", "path") == [("", "b"), ("0.240101.0000", "a")]


def test_an_asset_made_again_keeps_its_first_time(archive, fetch):
    it = archive.add("000001", [asset("a", created="2020-01-01T00:00:00Z")])
    fetch()
    it.draft.assets = [asset("a", created="2024-01-01T00:00:00Z")]
    it.draft.modified = "2024-02-01T00:00:00Z"
    fetch()
    assert [(v, time.year) for v, time in fetch.rows("version", "created")] == [
        ("", 2020),
        ("draft", 2024),
    ]


def test_a_dandiset_that_is_gone_stays_known(archive, fetch):
    three_dandisets(archive)
    fetch()
    gone = [archive.dandisets.pop("000001"), archive.dandisets.pop("000002")]
    told = fetch()
    assert [row for row in fetch.rows() if row[0] != "000003"] == [
        ("000001", "", "b.zarr"),
        ("000001", "", "sub-01/a.nwb"),
        ("000002", "0.240101.0000", "c.nwb"),
        ("000002", "0.240101.0000", "old c.nwb"),
    ]
    assert told["missing"] == []
    archive.dandisets |= {it.identifier: it for it in gone}
    archive.heal()
    fetch()
    assert archive.paths() == [LIST]
    assert ("000001", "draft", "b.zarr") in fetch.rows()


# --- What goes wrong for a moment ---

PASSING = {
    "429": status(429, Retry_After="0"),
    "500": status(500),
    "502": status(502),
    "503": status(503, Retry_After="0"),
    "504": status(504),
    "dropped": drop,
    "cut": cut,
    "no JSON": body(b"<html>Welcome to the hotel</html>"),
}
PLACES = {
    "list": LIST,
    "versions": versions_of("000002"),
    "published": assets_of("000002", "0.240101.0000"),
    "draft": assets_of("000002"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", PASSING)
def test_passing_fault_is_sat_out(archive, fetch, tmp_path, place, fault):
    three_dandisets(archive)
    archive.on(PLACES[place], PASSING[fault], nth=1)
    archive.on(PLACES[place], PASSING[fault], nth=2)
    assert fetch()["faults"] == {}
    assert fetch.equals_archive(tmp_path)
    assert archive.paths().count(PLACES[place]) == 3


@pytest.mark.parametrize("fault", [stall(0.8), drip], ids=["stalled", "dripping"])
def test_time_out_is_sat_out(archive, fetch, tmp_path, fault):
    three_dandisets(archive)
    archive.on(assets_of("000002"), fault, nth=1)
    assert fetch(limits=Limits(timeout=0.3, wait=0.01))["faults"] == {}
    assert fetch.equals_archive(tmp_path)


def test_fault_on_a_later_page_is_sat_out(archive, fetch, tmp_path):
    archive.page_size = 2
    archive.add("000001", [asset(name) for name in "abcde"])
    archive.on(assets_of("000001"), status(503), nth=2)
    archive.on(assets_of("000001"), drop, nth=4)
    assert fetch()["faults"] == {}
    assert fetch.equals_archive(tmp_path)


def test_retry_after_holds_for_every_connection(archive):
    three_dandisets(archive)
    archive.on(LIST, status(429, Retry_After="1"), nth=1)
    api = Api(archive.url, QUICK)
    started = time.monotonic()
    api.dandisets()
    assert 1 <= time.monotonic() - started < 2


def test_retry_after_longer_than_the_limit_gives_up_at_once(archive):
    archive.on(LIST, status(429, Retry_After="86400"))
    entries, _, problem = Api(archive.url, QUICK).dandisets()
    assert entries == []
    assert "429" in problem
    assert len(archive.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("", None), ("soon", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_retry_after(value, seconds):
    assert _dandi_api._retry_after(value) == seconds


def test_retry_after_as_a_date():
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    assert 97 < _dandi_api._retry_after(later.strftime("%a, %d %b %Y %H:%M:%S GMT")) <= 100


def test_waits_double(archive, monkeypatch):
    archive.on(LIST, status(500))
    api = Api(archive.url, Limits(tries=5, wait=1, give_up_after=600))
    waits = []
    monkeypatch.setattr(api, "_sleep", waits.append)
    assert "after 5 of 5 tries" in api.dandisets()[2]
    assert [wait for wait in waits if wait] == [1, 2, 4, 8]


# --- What goes wrong for good ---


def spoiled(**changes: Any) -> Any:
    """A page whose first asset is spoiled."""
    return page(lambda content: content["results"][0].update(changes))


def cut_short(content):
    content["results"].pop()


LASTING = {
    "401": (status(401), "embargoed"),
    "403": (status(403), "embargoed"),
    "404": (status(404), "deleted or unknown"),
    "400": (status(400), "answers 400"),
    "429": (status(429, Retry_After="0"), "answers 429"),
    "503": (status(503), "answers 503"),
    "dropped": (drop, "connection failed"),
    "no JSON": (body(b"<html>"), "no JSON"),
    "a list": (body([]), "not a page but a list"),
    "null": (body(None), "not a page but nothing"),
    "no results": (body({"count": 0, "next": None}), "results are no list"),
    "odd results": (body({"count": 1, "next": None, "results": [1]}), "results are no list"),
    "odd next": (page(lambda p: p.update(next=2)), "its next is a int"),
    "no count": (page(lambda p: p.update(count=None)), "no count"),
    "odd count": (page(lambda p: p.update(count="2")), "no count"),
    "a row less": (page(cut_short), "rows came"),
    "count too small": (page(lambda p: p.update(count=0)), "rows came"),
    "a circle": (
        page(lambda p: p.update(next="http://x/?order=path&page_size=1000", count=99)),
        "circle",
    ),
}
LASTING_OF_ASSETS = {
    "both": (spoiled(zarr="1234abcd-1111-4111-8111-111111111111"), "both blob and zarr"),
    "neither": (spoiled(blob=None, zarr=None), "neither blob nor zarr"),
    "no path": (spoiled(path=None), "path is not a text"),
    "path up": (spoiled(path="../../etc/passwd"), "leave its folder"),
    "absolute path": (spoiled(path="/etc/passwd"), "leave its folder"),
    "path with NUL": (spoiled(path="a\0b"), "leave its folder"),
    "no size": (spoiled(size=None), "no number of bytes"),
    "negative size": (spoiled(size=-1), "no number of bytes"),
    "no time": (spoiled(created="yesterday"), "not a time"),
    "no created": (spoiled(created=None), "created is not a text"),
    "odd id": (spoiled(blob="../x", zarr=None), "content id"),
    "number as id": (spoiled(blob=7, zarr=None), "blob is not a text"),
    "no asset id": (spoiled(asset_id=None), "asset_id is not a text"),
}
PLACES_OF_A_DANDISET = {name: path for name, path in PLACES.items() if name != "list"}


@pytest.mark.parametrize("place", PLACES_OF_A_DANDISET)
@pytest.mark.parametrize("fault", LASTING)
def test_lasting_fault_leaves_the_last_listing(archive, fetch, place, fault):
    """Everything of 000002 is new; one part of it fails, and so all of it stays as it was."""
    three_dandisets(archive)
    archive.dandisets.pop("000003")
    it = archive.dandisets["000002"]
    later, it.published = it.published, []
    fetch()
    before = [row for row in fetch.rows() if row[0] == "000002"]
    archive.heal()
    it.published = later
    it.draft.assets = [asset("newer.nwb")]
    it.draft.modified = "2024-02-01T00:00:00Z"
    archive.add("000009", [asset("z.nwb")])
    act, message = LASTING[fault]
    archive.on(PLACES[place], act)

    told = fetch()
    if place == "versions" and fault in ("a row less", "count too small"):
        message = "rows came"
    assert list(told["faults"]) == ["000002"]
    assert message in told["faults"]["000002"]
    assert [row for row in fetch.rows() if row[0] == "000002"] == before
    assert ("000009", "draft", "z.nwb") in fetch.rows()
    assert told["missing"] == []

    archive.heal()
    assert fetch()["faults"] == {}
    assert ("000002", "draft", "newer.nwb") in fetch.rows()


@pytest.mark.parametrize("fault", LASTING_OF_ASSETS)
@pytest.mark.parametrize("version", ["draft", "0.240101.0000"])
def test_bad_asset_is_named_and_the_others_go_on(archive, fetch, version, fault):
    three_dandisets(archive)
    act, message = LASTING_OF_ASSETS[fault]
    archive.on(assets_of("000002", version), act)
    told = fetch()
    assert message in told["faults"]["000002"]
    assert told["missing"] == ["000002"]
    assert {row[0] for row in fetch.rows()} == {"000001", "000003"}
    with pytest.raises(UserError, match="000002 has no listing yet: "):
        check_dandisets.main(fetched=fetch.fetched)
    archive.heal()
    assert fetch()["missing"] == []
    check_dandisets.main(fetched=fetch.fetched)


def test_published_versions_that_came_are_not_fetched_again(archive, fetch):
    three_dandisets(archive)
    archive.on(assets_of("000003", "0.240201.0000"), status(404))
    assert list(fetch()["faults"]) == ["000003"]
    archive.heal()
    fetch()
    assert assets_of("000003", "0.240101.0000") not in archive.paths()


def test_a_message_tells_neither_addresses_nor_secrets(archive, fetch, monkeypatch):
    three_dandisets(archive)
    fetch()
    monkeypatch.setenv("HTTP_PROXY", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    told = fetch(limits=Limits(tries=1))
    assert "connection failed" in told["faults"][THE_LIST]
    assert "hunter2" not in json.dumps(told)


def test_passwords_of_netrc_are_not_sent(archive, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen = []

    def look(handler):
        seen.append(dict(handler.headers))
        return False

    archive.on(LIST, look)
    Api(archive.url, QUICK).dandisets()
    assert "Authorization" not in seen[0]
    assert seen[0]["User-Agent"].startswith("usage-per-dandiset/")


# --- The list itself ---


def test_list_that_fails_keeps_everything(archive, fetch, tmp_path):
    three_dandisets(archive)
    refreshed = fetch()["refreshed"]
    archive.on(LIST, status(503))
    told = fetch()
    assert list(told["faults"]) == [THE_LIST]
    assert (told["missing"], told["refreshed"]) == ([], refreshed)
    assert fetch.equals_archive(tmp_path)


def test_first_list_that_fails_is_an_error(archive, fetch):
    archive.on(LIST, status(503))
    with pytest.raises(UserError, match=r"no listing of Dandisets yet.*503"):
        fetch()
    archive.heal()
    archive.add("000001", [asset("a")])
    fetch("daily")
    assert fetch.rows() == [("000001", "draft", "a")]


def test_list_that_fails_on_its_second_page_lists_the_first(archive, fetch):
    three_dandisets(archive)
    archive.page_size = 2
    for nth in range(2, 20):
        archive.on(LIST, status(500), nth=nth)
    told = fetch()
    assert {row[0] for row in fetch.rows()} == {"000001", "000002"}
    assert told["missing"] == [THE_LIST]
    archive.heal()
    assert fetch()["missing"] == []


def test_odd_entry_of_the_list_is_named(archive, fetch):
    three_dandisets(archive)

    def spoil(content):
        del content["results"][0]["draft_version"]
        content["results"][1]["draft_version"]["modified"] = None
        content["results"].append({"identifier": "../1"})
        content["count"] += 1

    archive.on(LIST, page(spoil))
    told = fetch()
    assert "draft_version is missing" in told["faults"]["000001"]
    assert "modified is not a text" in told["faults"]["000002"]
    assert "no six-digit id" in told["faults"][THE_LIST]
    assert {row[0] for row in fetch.rows()} == {"000003"}
    assert told["missing"] == ["000001", "000002", THE_LIST]


def test_dandiset_that_joins_between_pages_of_the_list(archive, fetch, tmp_path):
    three_dandisets(archive)
    archive.page_size = 2
    archive.on(LIST, meanwhile(lambda: archive.add("000004", [asset("f.nwb")])), nth=2)
    assert fetch()["faults"] == {}
    assert fetch.equals_archive(tmp_path)


def test_an_archive_that_is_down_is_not_asked_for_each_dandiset(archive, fetch, monkeypatch):
    monkeypatch.setattr(fetch_dandisets, "HOPELESS", 5)
    for number in range(60):
        archive.add(f"{number:06}", [asset("a")])
        archive.on(assets_of(f"{number:06}"), status(503))
    told = fetch(limits=Limits(connections=2, tries=2, wait=0.001))
    assert len(told["faults"]) == 60
    assert "not asked for" in told["faults"]["000059"]
    assert len(archive.requests) < 20


# --- A draft that changes between pages ---


def changing_draft(archive: FakeArchive) -> Any:
    archive.page_size = 2
    return archive.add("000001", [asset(name, size=ord(name)) for name in "bcdef"]).draft


def change(draft, remove: str = "", add: str = "", stamp: str = "2024-02-01T00:00:00Z"):
    def act():
        draft.assets = [row for row in draft.assets if row["path"] not in remove]
        draft.assets += [asset(name, size=ord(name)) for name in add]
        draft.modified = stamp

    return meanwhile(act)


@pytest.mark.parametrize(
    ("remove", "add"), [("b", ""), ("", "a"), ("", "g"), ("b", "g"), ("f", "a"), ("bc", "gh")]
)
@pytest.mark.parametrize("nth", [2, 3])
def test_draft_that_changes_between_pages_is_read_again(archive, fetch, tmp_path, remove, add, nth):
    draft = changing_draft(archive)
    archive.on(assets_of("000001"), change(draft, remove, add), nth=nth)
    assert fetch()["faults"] == {}
    assert fetch.equals_archive(tmp_path)
    fetch()
    assert fetch.equals_archive(tmp_path)


def test_draft_that_never_stands_still_is_read_again_next_time(archive, fetch, tmp_path):
    draft = changing_draft(archive)
    for nth in range(1, 30):
        stamp = f"2024-02-{nth:02}T00:00:00Z"
        archive.on(assets_of("000001"), change(draft, stamp=stamp), nth=nth)
    assert fetch()["faults"] == {}
    archive.heal()
    fetch()
    assert archive.paths().count(assets_of("000001")) == 3
    assert fetch.equals_archive(tmp_path)


def test_draft_of_several_pages_costs_its_pages_alone(archive, fetch):
    draft = changing_draft(archive)
    fetch()
    archive.heal()
    draft.modified = "2024-02-01T00:00:00Z"
    fetch()
    assert archive.paths() == [LIST, *[assets_of("000001")] * 3]


# --- Some Dandisets only ---


@pytest.mark.parametrize("options", [{"only": ("000002",)}, {"without": ("000001", "000003")}])
def test_only_the_selected_are_asked_for(archive, fetch, options):
    three_dandisets(archive)
    told = fetch(**options)
    assert {row[0] for row in fetch.rows()} == {"000002"}
    assert set(archive.paths()) == {LIST, *list(PLACES.values())[1:]}
    assert (told["missing"], told["not_asked_for"]) == ([], ["000001", "000003"])


def test_others_keep_their_last_listing(archive, fetch, tmp_path):
    three_dandisets(archive)
    fetch()
    archive.heal()
    archive.dandisets["000001"].draft.modified = "2024-02-01T00:00:00Z"
    fetch(only=("000002",))
    assert archive.paths() == [LIST]
    assert fetch.equals_archive(tmp_path)


def test_selected_dandiset_that_the_archive_does_not_list(archive, fetch):
    three_dandisets(archive)
    told = fetch(only=("000002", "999999"))
    assert told["missing"] == ["999999"]
    assert "does not list it" in told["faults"]["999999"]


def test_each_instance_has_its_own_listings(archive, fetch, tmp_path):
    three_dandisets(archive)
    fetch()
    with FakeArchive() as other:
        other.add("000001", [asset("other.nwb")])
        fetch.archive = other
        fetch()
        assert fetch.equals_archive(tmp_path)


# --- When ---


def a_state(**changes: Any) -> State:
    return State(**{"tried": f"{TODAY}T01:00:00Z", "refreshed": f"{TODAY}T01:00:00Z"} | changes)


@pytest.mark.parametrize(
    ("refresh", "state", "due"),
    [
        ("never", None, True),
        ("never", a_state(), False),
        ("never", a_state(tried="2020-01-01T00:00:00Z"), False),
        ("never", a_state(missing=("000001",)), True),
        ("daily", None, True),
        ("daily", a_state(), False),
        ("daily", a_state(tried="2020-01-01T00:00:00Z"), True),
        ("daily", a_state(faults={"000001": "503"}), True),
        ("always", a_state(), True),
        ("daily", a_state(selection=Selection(only=("000001",))), True),
        ("never", a_state(selection=Selection(only=("000001",)), listed=("000001",)), False),
        ("never", a_state(selection=Selection(without=("000001",)), listed=("000001",)), True),
    ],
)
def test_when_the_archive_is_asked(refresh, state, due):
    assert is_due(state, refresh, Selection(), TODAY) is due


def test_token_changes_when_and_only_when_it_is_time():
    good, bad = a_state(), a_state(tries_with_faults=1, tries_with_missing=1)
    assert token(None, "daily", TODAY, 1) == token(good, "daily", TODAY, 2)
    assert token(good, "daily", TODAY, 1) != token(good, "daily", "2099-01-01", 1)
    assert token(good, "daily", TODAY, 1) != token(bad, "daily", TODAY, 1)
    assert token(None, "never", TODAY, 1) == token(good, "never", "2099-01-01", 2)
    assert token(good, "never", TODAY, 1) != token(bad, "never", TODAY, 1)
    assert token(good, "always", TODAY, 1) != token(good, "always", TODAY, 2)


def test_daily_asks_once_a_day(archive, fetch, monkeypatch):
    three_dandisets(archive)
    fetch("daily")
    archive.heal()
    fetch("daily")
    assert archive.requests == []
    tomorrow = _refresh.now() + dt.timedelta(days=1)
    monkeypatch.setattr(fetch_dandisets, "now", lambda: tomorrow)
    fetch("daily")
    assert archive.paths() == [LIST]


def test_daily_asks_again_after_a_fault(archive, fetch):
    three_dandisets(archive)
    archive.on(assets_of("000001"), status(404))
    fetch("daily")
    archive.heal()
    fetch("daily")
    assert archive.paths() == [LIST, assets_of("000001")]


def test_never_asks_for_what_has_no_listing_only(archive, fetch):
    three_dandisets(archive)
    archive.on(assets_of("000001"), status(404))
    fetch("never")
    archive.heal()
    archive.dandisets["000002"].draft.modified = "2024-02-01T00:00:00Z"
    fetch("never")
    assert archive.paths() == [LIST, assets_of("000001")]
    archive.heal()
    fetch("never")
    assert archive.requests == []


# --- Kills, damage, progress ---

KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {scripts!r})
import fetch_dandisets
from _dandi_api import Limits
from _refresh import Selection
folder = Path({folder!r})
fetch_dandisets.main(
    api_url={url!r}, limits=Limits(connections=2), refresh="always", selection=Selection(),
    cache=folder / "cache", listing=folder / "listing.parquet", fetched=folder / "fetched.json",
)
"""


def test_a_kill_loses_nothing(archive, fetch, tmp_path):
    for number in range(30):
        archive.add(f"{number:06}", [asset(f"{number}.nwb")], v0_240101_0000=[asset("a")])
    archive.on(assets_of("000015"), stall(5), nth=1)
    archive.on(assets_of("000017"), stall(5), nth=1)
    code = KILLED.format(scripts=str(ROOT / "scripts"), folder=str(tmp_path), url=archive.url)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while assets_of("000017") not in archive.paths():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not fetch.listing.exists()
    archive.heal()
    fetch()
    assert fetch.equals_archive(tmp_path)
    asked = {path.split("/")[2] for path in archive.paths() if path != LIST}
    assert "000000" not in asked
    assert "000029" in asked


def test_damaged_cache_is_fetched_again(archive, fetch, tmp_path, caplog):
    three_dandisets(archive)
    fetch()
    folder = folder_of(fetch.cache, archive.url)
    (folder / "000001" / "listing.parquet").write_bytes(b"")
    (folder / "000003" / "0.240101.0000.parquet").unlink()
    (folder / "state.json").write_text("{")
    fetch()
    assert fetch.equals_archive(tmp_path)
    assert "cannot be used" in caplog.text


def test_progress_is_logged(archive, fetch, caplog):
    three_dandisets(archive)
    with caplog.at_level(logging.INFO):
        fetch()
    assert "Dandisets: 3 of 3" in caplog.text


def test_progress_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = fetch_dandisets.Progress(2, "Dandisets")
    progress.step()
    progress.step()
    assert capsys.readouterr().err.endswith(f"[{'#' * 30}] 2 of 2\n")


def test_cache_is_private(archive, fetch):
    three_dandisets(archive)
    fetch()
    assert fetch.cache.stat().st_mode & 0o777 == 0o700


# --- Snapshots ---


def test_snapshot_gives_the_same_listing_and_hash(archive, fetch, tmp_path):
    three_dandisets(archive)
    fetch()
    written = tmp_path / "snapshot.tsv"
    snapshot.main(listing=fetch.listing, snapshot=written)
    again = tmp_path / "again.tsv"
    snapshot.main(listing=written, snapshot=again)
    assert written.read_bytes() == again.read_bytes()
    listing = canonical(read_snapshot(written).collect())
    assert listing.equals(pl.read_parquet(fetch.listing))
    done = subprocess.run(["sha256sum", written], capture_output=True, text=True, check=True)
    assert describe(listing)["sha256"] == done.stdout.split()[0]
    assert describe(listing)["date"] == "2024-01-01"
    assert first_problem(listing) is None


def test_unusable_dandiset_of_an_api_names_its_place(archive):
    archive.add("000001", [asset("a")])
    archive.on(assets_of("000001"), status(403))
    with pytest.raises(ApiError, match=r"/dandisets/000001/versions/draft/assets/: .*embargoed"):
        Api(archive.url, QUICK).assets("000001", "draft")


def test_stopped_api_wakes_up(archive):
    archive.on(LIST, status(503))
    api = Api(archive.url, Limits(wait=100))
    api.stop()
    with pytest.raises(ApiError, match="stopped"):
        api.versions("000001")


def test_nobody_there():
    with pytest.raises(UnavailableError, match="connection failed"):
        Api("http://127.0.0.1:9/api", Limits(tries=2, wait=0.01)).versions("000001")


def test_cache_of_nothing(tmp_path):
    assert Cache(tmp_path).rows("000001").is_empty()
    assert read_state(tmp_path) is None
    assert describe(Cache(tmp_path).rows("000001"))["date"] is None


# --- What a run says of itself ---


def a_config(**changes: Any) -> dict[str, Any]:
    config = {
        "raw_logs": "raw",
        "results": "results",
        "cache": "cache",
        "exclude": {"ips": [], "years": [], "dandisets": []},
        "restrict_to_dandisets": [],
        "dandi": {"source": "api", "api_url": "https://api.dandiarchive.org/api"},
        "regions": {"provider": "none", "mmdb": "a.mmdb", "services": {"AWS": "aws.json"}},
        "privacy": {"minimum": 50, "round_to": 20},
    }
    return config | changes


def test_digest_of_a_configuration_tells_what_counts_not_where_it_is():
    digest = config_digest(a_config())
    elsewhere = a_config(
        raw_logs="/elsewhere",
        results="/other",
        dandi={"source": "snapshot", "snapshot": "x.tsv"},
        regions={"provider": "none", "mmdb": "/b.mmdb", "services": {"AWS": "/aws.json"}},
    )
    assert config_digest(elsewhere) == digest
    assert config_digest(a_config(privacy={"minimum": 10, "round_to": 20})) != digest
    services = {"provider": "none", "mmdb": "a.mmdb", "services": {"GCP": "aws.json"}}
    assert config_digest(a_config(regions=services)) != digest


def test_digest_of_a_configuration_does_not_let_excluded_addresses_be_tried():
    def digest(*ips: str) -> str:
        return config_digest(a_config(exclude={"ips": [*ips], "years": [], "dandisets": []}))

    assert digest("192.0.2.1") == digest("198.51.100.7") != digest()


@pytest.mark.parametrize("url", ["https://me:hunter2@127.0.0.1/api", "https://x/api?key=hunter2"])
def test_api_url_may_hold_no_secret(url, tmp_path):
    config = a_config(raw_logs=str(tmp_path), dandi={"source": "api", "api_url": url})
    config["regions"]["services"] = {}
    with pytest.raises(UserError, match=r"dandi\.api_url must be a plain") as error:
        check(config, tmp_path)
    assert "hunter2" not in str(error.value)


def test_commit_of_a_checkout_and_of_none(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    assert git_commit(tmp_path) is None
    (tmp_path / "Snakefile").write_text("")
    (tmp_path / "inside").mkdir()
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    commit = git_commit(tmp_path)
    assert len(commit) == 40
    assert git_commit(tmp_path / "inside") is None
    (tmp_path / "Snakefile").write_text("changed")
    assert git_commit(tmp_path) == f"{commit}+modified"
