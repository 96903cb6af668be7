"""The rule `locate`: what is looked up, kept, checked again, and what a kill loses."""

import collections
import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import _web
import hash_addresses
import ipinfo
import locate
import polars as pl
import pytest
from _attempts import Attempt, keep_attempt, last_attempt, next_number
from _hashes import hash_address, read_salt
from _log import UserError
from _providers import Ipinfo, Nobody
from _region_cache import RegionCache
from _tables import CACHED_REGIONS, IPS, REGIONS_BY_HASH, write_table
from servers import serving

TODAY = date(2022, 5, 1)


class Oracle:
    """A provider that knows what a test says, and remembers what it was asked."""

    def __init__(self, regions=None, *, may_answer_later=True):
        self.regions = regions or {}
        self.may_answer_later = may_answer_later
        self.asked = []

    def answers(self, addresses):
        self.asked += addresses
        for text in addresses:
            if text in self.regions:
                yield {text: self.regions[text]}


class Months:
    """Binned months below a folder, and the rule on them."""

    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / "cache"
        self.regions = folder / "lookup/regions.parquet"
        self.ips, self.hashes = [], []

    def add(self, *addresses):
        name = f"2022-{len(self.ips) + 1:02}"
        self.ips.append(self.folder / f"binned/{name}.ips.parquet")
        self.hashes.append(self.folder / f"binned/{name}.hashes.parquet")
        write_table(pl.DataFrame({"ip_address": sorted(addresses)}), self.ips[-1], IPS)
        hash_addresses.main(ips=self.ips[-1], hashes=self.hashes[-1], cache=self.cache)
        return self

    def locate(self, provider, **settings):
        settings = {"services": {}, "today": TODAY, **settings}
        locate.main(
            ips=self.ips, hashes=self.hashes, provider=provider, cache=self.cache,
            regions=self.regions, **settings,
        )  # fmt: skip
        return self.by_address()

    def by_address(self):
        table = pl.read_parquet(self.regions)
        assert table.schema == REGIONS_BY_HASH
        assert table["hash"].is_sorted()
        found = dict(table.iter_rows())
        key = read_salt(self.cache)
        addresses = {text for path in self.ips for text in pl.read_parquet(path)["ip_address"]}
        assert len(found) == len(addresses)
        return {text: found[hash_address(key, text)] for text in addresses}

    def checked(self):
        kept = pl.read_parquet(self.cache / "regions.parquet")
        assert kept.schema == CACHED_REGIONS
        key = read_salt(self.cache)
        days = {row["hash"]: row["checked"] for row in kept.iter_rows(named=True)}
        addresses = {text for path in self.ips for text in pl.read_parquet(path)["ip_address"]}
        return {t: days[h] for t in addresses if (h := hash_address(key, t)) in days}


@pytest.fixture
def months(tmp_path, monkeypatch):
    monkeypatch.setenv("IP_HASH_SALT", "salt")
    return Months(tmp_path)


def public(count):
    return [f"8.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count)]


def test_services_go_first_then_the_provider(months):
    document = months.folder / "vpn.txt"
    document.write_text("8.8.8.0/24\n2001:4860::/32\n")
    months.add("8.8.8.8", "9.9.9.9", "2001:4860::1", "-", "no address", "7.7.7.7")
    provider = Oracle({"8.8.8.8": "US/California", "9.9.9.9": "US/California"})
    assert months.locate(provider, services={"VPN": str(document)}) == {
        "8.8.8.8": "VPN",
        "2001:4860::1": "VPN",
        "9.9.9.9": "US/California",
        "-": "unknown",
        "no address": "unknown",
        "7.7.7.7": "undetermined",
    }
    assert sorted(provider.asked) == ["7.7.7.7", "9.9.9.9"]


def test_what_is_known_is_not_asked_again_and_what_is_undetermined_is(months):
    months.add("8.8.8.8", "9.9.9.9")
    months.locate(Oracle({"8.8.8.8": "US/California"}))
    assert last_attempt(months.cache) == Attempt(1, TODAY, 1)
    months.add("8.8.8.8", "7.7.7.7")
    provider = Oracle({"9.9.9.9": "US", "7.7.7.7": "US/Ohio"})
    found = months.locate(provider, attempt=2)
    assert sorted(provider.asked) == ["7.7.7.7", "9.9.9.9"]
    assert found == {"8.8.8.8": "US/California", "9.9.9.9": "US", "7.7.7.7": "US/Ohio"}
    assert last_attempt(months.cache) == Attempt(2, TODAY, 0)


def test_without_a_provider_nothing_waits(months):
    months.add("8.8.8.8")
    assert months.locate(Nobody()) == {"8.8.8.8": "undetermined"}
    assert last_attempt(months.cache).waiting == 0


def test_no_months(months):
    assert months.locate(Oracle()) == {}


def test_another_salt_is_refused(months, monkeypatch):
    months.add("8.8.8.8").locate(Oracle({"8.8.8.8": "US"}))
    monkeypatch.setenv("IP_HASH_SALT", "another")
    with pytest.raises(UserError, match="salt is not the one"):
        months.locate(Oracle())


def test_the_cache_holds_no_address(months):
    months.add("8.8.8.8").locate(Oracle({"8.8.8.8": "US"}))
    for path in (*months.cache.rglob("*"), months.regions):
        if path.is_file():
            assert b"8.8.8.8" not in path.read_bytes()
    assert months.cache.stat().st_mode & 0o777 == 0o700


# --- checking again ------------------------------------------------------------------------------


def test_every_region_is_checked_again_in_time_the_oldest_first(months):
    addresses = public(30)
    months.add(*addresses).locate(Oracle(dict.fromkeys(addresses, "US")))
    asked = []
    for day in range(1, 8):
        provider = Oracle(dict.fromkeys(addresses, "US"))
        months.locate(provider, today=TODAY + timedelta(day), recheck_days=7)
        assert len(provider.asked) <= 5
        asked += provider.asked
        # A second run on the same day checks nothing.
        second = Oracle()
        months.locate(second, today=TODAY + timedelta(day), recheck_days=7)
        assert second.asked == []
    assert set(asked[:30]) == set(addresses)
    assert min(months.checked().values()) >= TODAY + timedelta(1)


def test_after_a_pause_all_that_is_due_is_checked(months):
    addresses = public(10)
    months.add(*addresses).locate(Oracle(dict.fromkeys(addresses, "US")))
    for days, due in ((4, 4), (100, 10)):
        provider = Oracle()
        months.locate(provider, today=TODAY + timedelta(days), recheck_days=10)
        assert len(provider.asked) == due


def test_regions_are_never_checked_again_with_0_days(months):
    months.add("8.8.8.8").locate(Oracle({"8.8.8.8": "US"}))
    provider = Oracle()
    months.locate(provider, today=TODAY + timedelta(1000), recheck_days=0)
    assert provider.asked == []


def test_moved_regions_are_counted(months, caplog):
    caplog.set_level(logging.INFO)
    addresses = public(4)
    months.add(*addresses).locate(Oracle(dict.fromkeys(addresses, "US")))
    now = {**dict.fromkeys(addresses, "US"), addresses[1]: "DE"}
    assert months.locate(Oracle(now), today=TODAY + timedelta(5), recheck_days=5) == now
    assert "1 moved" in caplog.messages[-1]


def test_what_is_not_answered_when_checked_stays_and_is_due(months):
    months.add("8.8.8.8", "9.9.9.9").locate(Oracle({"8.8.8.8": "US", "9.9.9.9": "US"}))
    later = TODAY + timedelta(90)
    assert months.locate(Oracle({"9.9.9.9": "DE"}), today=later) == {
        "8.8.8.8": "US",
        "9.9.9.9": "DE",
    }
    assert months.checked() == {"8.8.8.8": TODAY, "9.9.9.9": later}
    assert last_attempt(months.cache).waiting == 0


def test_new_addresses_are_asked_about_before_known_ones(months):
    known, new = public(10)[:5], public(10)[5:]
    months.add(*known).locate(Oracle(dict.fromkeys(known, "US")))
    provider = Oracle()
    months.add(*new).locate(provider, today=TODAY + timedelta(90))
    assert sorted(provider.asked[:5]) == new


def test_without_a_provider_known_regions_stay(months):
    months.add("8.8.8.8").locate(Oracle({"8.8.8.8": "US"}))
    later = TODAY + timedelta(90)
    assert months.locate(Nobody(), today=later) == {"8.8.8.8": "US"}
    assert months.checked() == {"8.8.8.8": later}


def test_documents_are_read_only_for_a_reason(months):
    months.add("8.8.8.8").locate(Oracle({"8.8.8.8": "US"}))
    assert months.locate(Oracle(), services={"VPN": "http://127.0.0.1:1/"}) == {"8.8.8.8": "US"}


# --- how Snakemake notices -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "recheck_days", "max_lookups", "number"),
    [
        (None, 90, None, 1),
        (Attempt(3, TODAY, 0), 90, None, 3),
        (Attempt(3, TODAY, 5), 90, None, 4),
        (Attempt(3, TODAY, 5), 90, 10, 4),
        (Attempt(3, TODAY, 5), 90, 0, 3),
        (Attempt(3, TODAY - timedelta(1), 0), 90, None, 4),
        (Attempt(3, TODAY - timedelta(1), 0), 0, None, 3),
        (Attempt(3, TODAY - timedelta(1), 5), 90, None, 4),
    ],
)
def test_the_number_changes_when_there_is_something_to_ask(last, recheck_days, max_lookups, number):
    assert number == next_number(
        last, today=TODAY, recheck_days=recheck_days, max_lookups=max_lookups
    )


def test_attempts_are_kept(tmp_path):
    assert last_attempt(tmp_path) is None
    keep_attempt(tmp_path, Attempt(3, TODAY, 5))
    assert last_attempt(tmp_path) == Attempt(3, TODAY, 5)
    (tmp_path / "regions.json").write_text("{}")
    assert last_attempt(tmp_path) is None


# --- batches -------------------------------------------------------------------------------------


def test_batches_survive_a_killed_run(tmp_path):
    def batch(region, *hashes):
        return pl.DataFrame(
            {"hash": hashes, "region": region, "checked": TODAY}, schema=CACHED_REGIONS
        )

    RegionCache(tmp_path).keep(batch("US", b"b", b"a"))
    RegionCache(tmp_path).keep(batch("DE", b"c", b"b"))
    kept = RegionCache(tmp_path).merge()
    assert kept.select("hash", "region").rows() == [(b"a", "US"), (b"b", "DE"), (b"c", "DE")]
    assert list((tmp_path / "regions.batches").iterdir()) == []
    assert RegionCache(tmp_path).merge().equals(kept)


def answer_all(asked):
    return 200, {a: {"ip": a, "country": "US", "region": "Ohio"} for a in asked.body}


SCRIPT = """
import sys
from pathlib import Path
import ipinfo, locate
from _providers import Ipinfo
ipinfo.handler.API_URL = sys.argv[1]
# What ipinfo's client does for each address takes seconds in all; it is not meant here.
ipinfo.handler.is_bogon = lambda _: False
folder = Path(sys.argv[2])
locate.main(
    ips=sorted(folder.glob("binned/*.ips.parquet")),
    hashes=sorted(folder.glob("binned/*.hashes.parquet")),
    services={}, provider=Ipinfo(),
    cache=folder / "cache", regions=folder / "lookup/regions.parquet",
)
"""


def test_a_kill_in_the_middle_of_50_000_addresses_repeats_at_most_one_batch(months, monkeypatch):
    addresses = public(50_000)
    months.add(*addresses[:30_000]).add(*addresses[20_000:])
    monkeypatch.setenv("IPINFO_CREDENTIALS", "token")
    reached, asked = threading.Event(), collections.Counter()

    def answer(request):
        asked.update(request.body)
        if len(server.asked) == 25:
            reached.set()
            threading.Event().wait(0.5)
        return answer_all(request)

    with serving(answer) as server:
        command = [sys.executable, "-c", SCRIPT, server.url, str(months.folder)]
        environment = {**os.environ, "PYTHONPATH": str(Path(locate.__file__).parent)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        assert reached.wait(30)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not months.regions.exists()
        server.answer = lambda request: asked.update(request.body) or answer_all(request)
        monkeypatch.setattr(ipinfo.handler, "API_URL", server.url)
        monkeypatch.setattr(ipinfo.handler, "is_bogon", lambda _: False)
        found = months.locate(Ipinfo())
    assert set(found.values()) == {"US/Ohio"}
    assert set(asked) == set(addresses)
    assert asked.total() - len(asked) <= 1000


def test_a_quota_loses_nothing_and_the_next_run_goes_on(months, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(_web, "WAIT", 0.0)
    monkeypatch.setenv("IPINFO_CREDENTIALS", "token")
    months.add(*public(3_000))
    with serving(answer_all) as server:
        monkeypatch.setattr(ipinfo.handler, "API_URL", server.url)
        server.answer = lambda r: answer_all(r) if len(server.asked) < 3 else (429, b"")
        found = collections.Counter(months.locate(Ipinfo()).values())
        assert found == {"US/Ohio": 2_000, "undetermined": 1_000}
        assert last_attempt(months.cache).waiting == 1_000
        server.answer = lambda r: (403, b"")
        with pytest.raises(UserError, match="refuses the token"):
            months.locate(Ipinfo())
        server.answer = answer_all
        assert set(months.locate(Ipinfo(), attempt=2).values()) == {"US/Ohio"}
        assert [len(request.body) for request in server.asked] == [1000] * 5
    assert last_attempt(months.cache) == Attempt(2, TODAY, 0)
    assert "8.0." not in caplog.text


def test_today_is_that_of_utc(months):
    months.add("8.8.8.8").locate(Oracle({"8.8.8.8": "US"}), today=None)
    assert abs(datetime.now(UTC).date() - last_attempt(months.cache).day) <= timedelta(1)
