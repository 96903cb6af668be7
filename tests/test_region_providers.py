"""Providers of regions: databases of every schema, and ipinfo in all its moods."""

import ipaddress
import logging
import random
import threading

import _web
import ipinfo
import maxminddb
import pytest
from _log import UserError
from _providers import Database, Ipinfo, Nobody, find_provider, not_known, region_of
from mmdb_writer import MMDBWriter, TreeWriter
from netaddr import IPSet
from servers import serving

TOKEN = "token-that-nobody-shall-see"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(_web, "WAIT", 0.0)
    monkeypatch.setenv("IPINFO_CREDENTIALS", TOKEN)


# --- schemas -------------------------------------------------------------------------------------

LITE = {
    "asn": "AS15169",
    "as_name": "Google LLC",
    "continent": "North America",
    "continent_code": "NA",
    "country": "United States",
    "country_code": "US",
}
CORE = {
    "geo": {
        "city": "Mountain View",
        "region": "California",
        "region_code": "CA",
        "country": "United States",
        "country_code": "US",
    },
    "as": {"asn": "AS15169", "name": "Google LLC"},
}
CITY = {
    "continent": {"code": "NA"},
    "country": {"geoname_id": 6252001, "iso_code": "US", "names": {"en": "United States"}},
    "registered_country": {"iso_code": "DE"},
    "subdivisions": [
        {"iso_code": "CA", "names": {"de": "Kalifornien", "en": "California"}},
        {"names": {"en": "Santa Clara"}},
    ],
}


@pytest.mark.parametrize(
    ("record", "region"),
    [
        (LITE, "US"),
        (CORE, "US/California"),
        ({"city": "Mountain View", "region": "California", "country": "US"}, "US/California"),
        ({"country": "US", "country_name": "United States", "continent": "NA"}, "US"),
        (CITY, "US/California"),
        ({key: value for key, value in CITY.items() if key != "subdivisions"}, "US"),
        ({"country": {"iso_code": "US"}, "subdivisions": [{"iso_code": "CA"}]}, "US"),
        ({"country": {"iso_code": "US"}, "subdivisions": []}, "US"),
        ({"country": "US", "region": ""}, "US"),
        ({"country": "US", "region": "\tNew\r\n York\u2028\x85 "}, "US/New York"),
        ({"country": "US", "region": "\u200b\n"}, "US"),
        ({"country": "FR", "region": "I\u0302le-de-France"}, "FR/\u00cele-de-France"),
        ({"country": "US", "region": "../../A/B\0\ud800"}, "US/../../A/B"),
        ({"country": "US", "region": "x" * 1000}, "US/" + "x" * 100),
        ({"country": "US", "region": ["California"]}, "US"),
        ({"country": {"iso_code": "US"}, "subdivisions": [None]}, "US"),
        ({"country": {"iso_code": "US"}, "subdivisions": [{"names": "California"}]}, "US"),
        ({"country": {"iso_code": "US"}, "subdivisions": {"names": {"en": "Ohio"}}}, "US"),
        ({"region": "California"}, None),
        ({"registered_country": {"iso_code": "DE"}}, None),
        ({"autonomous_system_number": 15169}, None),
        ({"country": ""}, None),
        ({"country": {"names": {"en": "Nowhere"}}}, None),
        ({}, None),
        ("US", None),
        (None, None),
    ],
)
def test_region_of_a_record(record, region):
    assert region_of(record) == region


def write_database(path, records, ip_version=6, kind="test"):
    writer = MMDBWriter(ip_version=ip_version, ipv4_compatible=ip_version == 6, database_type=kind)
    for block, record in records.items():
        writer.insert_network(IPSet([block]), record)
    writer.to_db_file(str(path))
    return path


def answers_of(provider, *addresses):
    return {text: region for batch in provider.answers(addresses) for text, region in batch.items()}


def test_a_database_answers_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(Database, "BATCH", 2)
    records = {"8.8.8.0/24": CITY, "2001:4860::/32": CORE, "192.0.2.0/25": LITE}
    database = Database(write_database(tmp_path / "a.mmdb", records))
    assert answers_of(
        database, "8.8.8.8", "2001:4860::1", "2001:4860::1%eth0", "192.0.2.1", "192.0.2.129",
        "9.9.9.9", "2002::1", "fe80::1",
    ) == {
        "8.8.8.8": "US/California",
        "2001:4860::1": "US/California",
        "2001:4860::1%eth0": "US/California",
        "192.0.2.1": "US",
        "192.0.2.129": "bogon",
        "9.9.9.9": "unknown",
        "2002::1": "unknown",
        "fe80::1": "bogon",
    }  # fmt: skip


def test_a_database_of_ipv4_does_not_know_ipv6(tmp_path):
    database = Database(write_database(tmp_path / "a.mmdb", {"8.8.8.0/24": CITY}, ip_version=4))
    assert answers_of(database, "8.8.8.8", "2001:4860::1", "::1") == {
        "8.8.8.8": "US/California",
        "2001:4860::1": "unknown",
        "::1": "bogon",
    }


@pytest.mark.parametrize("record_size", [24, 28, 32])
@pytest.mark.parametrize("ip_version", [4, 6])
def test_a_database_answers_as_its_reader_does(tmp_path, monkeypatch, ip_version, record_size):
    rng = random.Random(f"{ip_version} {record_size}")

    def numbers(count):
        """Close together, and at the ends of all that there is."""
        yield from (base + rng.getrandbits(16) for base in (0x08080000, 0x2A << 120) * (count // 2))
        yield from (0, 1, 2**32 - 1, 2**32, 2**128 - 1, 0xFFFF_08080808)

    def texts(count):
        for number in numbers(count):
            yield str(ipaddress.IPv6Address(number))
            if number < 2**32:
                yield str(ipaddress.IPv4Address(number))

    records = {}
    for text in texts(60):
        if ip_version == 6 or ":" not in text:
            length = (128 if ":" in text else 32) - rng.randint(0, 14)
            block = str(ipaddress.ip_network(f"{text}/{length}", strict=False))
            records[block] = {"country": "US", "region": f"Region {len(records) % 25}"}
    as_it_was = TreeWriter._adjust_record_size

    def adjust(self):
        as_it_was(self)
        self.record_size = record_size
        self.data_offset = record_size * 2 / 8 * self._node_counter

    monkeypatch.setattr(TreeWriter, "_adjust_record_size", adjust)
    path = write_database(tmp_path / "a.mmdb", records, ip_version)
    reader = maxminddb.open_database(path)
    assert reader.metadata().record_size == record_size

    def expected(text):
        holds = ip_version == 6 or ":" not in text
        record = reader.get(text) if holds else None
        return region_of(record) or not_known(ipaddress.ip_address(text))

    asked = {*texts(600)}
    monkeypatch.setattr(Database, "BATCH", 100)
    found = answers_of(Database(path), *asked)
    assert found == {text: expected(text) for text in asked}
    assert len(set(found.values())) >= 10


def test_each_record_is_read_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Database, "BATCH", 100)
    database = Database(
        write_database(tmp_path / "a.mmdb", {"8.8.0.0/17": CITY, "9.0.0.0/8": LITE})
    )
    reader, read = database._reader, []

    class Counting:
        def get(self, address):
            read.append(address)
            return reader.get(address)

    database._reader = Counting()
    asked = [f"{first}.8.{third}.1" for first in (8, 9) for third in range(256)]
    assert len(answers_of(database, *asked)) == 512
    assert len(read) == 3


def test_a_tree_that_does_not_end_is_damage(tmp_path):
    path = write_database(tmp_path / "a.mmdb", {"8.8.8.0/24": CITY}, ip_version=4)
    content = bytearray(path.read_bytes())
    database = Database(path)
    content[:6] = bytes(6)
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged") as raised:
        answers_of(database, "8.8.8.8")
    assert "8.8.8.8" not in str(raised.value)


def test_a_database_without_regions_is_said_so(tmp_path, caplog):
    path = write_database(tmp_path / "a.mmdb", {"8.8.8.0/24": LITE}, kind="ipinfo lite")
    Database(path)
    assert "ipinfo lite) knows countries but no regions" in caplog.text


def test_a_database_with_regions_is_no_news(tmp_path, caplog):
    Database(write_database(tmp_path / "a.mmdb", {"8.8.8.0/24": LITE, "9.0.0.0/8": CITY}))
    assert caplog.text == ""


def test_a_database_of_something_else_is_refused(tmp_path):
    path = write_database(tmp_path / "a.mmdb", {"8.8.8.0/24": {"autonomous_system_number": 15169}})
    with pytest.raises(UserError, match="in which country"):
        Database(path)


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "a.mmdb"
    path.write_bytes(b"<html>")
    with pytest.raises(UserError, match="is no MMDB database"):
        Database(path)
    with pytest.raises(UserError, match="is no MMDB database"):
        Database(tmp_path / "missing.mmdb")


def test_a_damaged_database_does_not_tell_who_was_looked_up(tmp_path):
    records = {f"8.8.{number}.0/24": CITY for number in range(64)}
    path = write_database(tmp_path / "a.mmdb", records)
    database = Database(path)

    class Damaged:
        def get(self, address):
            raise ValueError(f"Error while looking up data for {address}")

    database._reader = Damaged()
    with pytest.raises(UserError) as raised:
        answers_of(database, "8.8.8.8")
    assert "8.8.8.8" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_nobody_answers_nothing():
    nobody = find_provider("none", mmdb=None, max_lookups=None, url=None)
    assert isinstance(nobody, Nobody)
    assert answers_of(nobody, "8.8.8.8") == {}


# --- ipinfo --------------------------------------------------------------------------------------


def public(count):
    return [f"8.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count)]


def record(address):
    return {"ip": address, "country": "US", "region": "California"}


def all_of(asked):
    return 200, {address: record(address) for address in asked.body}


@pytest.fixture
def server(monkeypatch):
    with serving(all_of) as server:
        monkeypatch.setattr(ipinfo.handler, "API_URL", server.url)
        yield server


@pytest.fixture
def log(caplog):
    """What was logged; no test of this file may show an address or the token."""
    caplog.set_level(logging.INFO)
    yield caplog
    assert TOKEN not in caplog.text
    assert "8.0." not in caplog.text


def test_ipinfo_is_asked_in_batches(server, log):
    addresses = public(2_500)
    batches = list(Ipinfo().answers(addresses))
    assert [len(batch) for batch in batches] == [0, 1000, 1000, 500]
    assert {text for batch in batches for text in batch} == set(addresses)
    assert {region for batch in batches for region in batch.values()} == {"US/California"}
    assert [len(asked.body) for asked in server.asked] == [1000, 1000, 500]
    assert {asked.authorization for asked in server.asked} == {f"Bearer {TOKEN}"}
    assert {asked.path for asked in server.asked} == {"/batch"}


def test_the_plan_is_shown_before_a_look_up_is_spent(server, log, capfd):
    batches = Ipinfo(limit=1_200).answers(public(2_500))
    next(batches)
    assert server.asked == []
    next(batches)
    planned = "1,200 addresses to be looked up, 1,300 left for later runs by regions.max_lookups."
    assert planned in log.text
    assert planned in capfd.readouterr().err
    assert len(list(batches)) == 1
    assert sum(len(asked.body) for asked in server.asked) == 1_200


def test_with_a_limit_of_none_at_all_ipinfo_is_not_asked(server, monkeypatch, log):
    monkeypatch.delenv("IPINFO_CREDENTIALS")
    assert answers_of(Ipinfo(limit=0), *public(3)) == {}
    assert server.asked == []


def test_what_is_in_no_public_network_is_not_asked(server, log, monkeypatch):
    monkeypatch.delenv("IPINFO_CREDENTIALS")
    local = ["10.0.0.1", "192.0.2.1", "::1", "fe80::1%eth0", "2001:db8::1", "100.64.0.1"]
    assert answers_of(Ipinfo(), *local) == dict.fromkeys(local, "bogon")
    assert server.asked == []


def test_forms_of_an_address(server, log):
    forms = ["2001:4860:0::8888", "2001:4860::8888", "2A00:1450::1"]
    assert answers_of(Ipinfo(), *forms) == dict.fromkeys(forms, "US/California")


def test_what_ipinfo_knows_of_an_address(server, log):
    replies = {
        "8.0.0.0": {"ip": "8.0.0.0", "country": "DE"},
        "8.0.0.1": {"ip": "8.0.0.1", "country": ""},
        "8.0.0.3": {"status": 404, "error": {"title": "Wrong ip"}, "country": ""},
        "8.0.0.4": {"ip": "8.0.0.4", "geo": {"country_code": "JP", "region": "Tokyo"}},
        "8.0.0.5": {"ip": "8.0.0.5", "country": "DE", "region": "Bavaria"},
    }
    server.answer = lambda _: (200, replies)
    assert answers_of(Ipinfo(), *public(7)) == {
        "8.0.0.0": "DE",
        "8.0.0.1": "unknown",
        "8.0.0.4": "JP/Tokyo",
        "8.0.0.5": "DE/Bavaria",
    }
    assert "ipinfo left 3 addresses unanswered" in log.text


def test_a_used_up_quota_ends_the_asking_at_once(server, log):
    server.answer = lambda asked: all_of(asked) if len(server.asked) < 3 else (429, {"error": "x"})
    assert len(answers_of(Ipinfo(), *public(5_000))) == 2_000
    assert len(server.asked) == 3
    assert "quota is used up" in log.text
    assert "3000 addresses are asked about again" in log.text


@pytest.mark.parametrize(
    ("reply", "tries"),
    [
        ((500, b"oops"), 3),
        ((503, b""), 3),
        (None, 3),
        ((200, b"<html>"), 3),
        ((200, []), 3),
        ((200, {"error": {"title": "x"}}), 3),
        ((200, {"8.0.0.0": "x"}), 3),
        ((400, {"error": "x"}), 1),
        ((413, b""), 1),
    ],
)
def test_failures_are_tried_again_and_then_end_the_asking(server, log, reply, tries):
    server.answer = lambda _: reply
    assert answers_of(Ipinfo(), *public(1_500)) == {}
    assert len(server.asked) == tries
    assert "ipinfo does not answer any more" in log.text


def test_a_passing_failure_loses_nothing(server, log):
    server.answer = lambda asked: (502, b"") if len(server.asked) % 2 else all_of(asked)
    assert len(answers_of(Ipinfo(), *public(2_500))) == 2_500
    assert "answer" not in log.text


def test_a_time_out(server, log, monkeypatch):
    monkeypatch.setattr(Ipinfo, "TIMEOUT", 0.1)
    wait = threading.Event()
    server.answer = lambda asked: wait.wait(5) and None
    assert answers_of(Ipinfo(), *public(10)) == {}
    wait.set()
    assert "(time-out)" in log.text


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_said_and_what_came_before_stays(server, log, status):
    server.answer = lambda asked: all_of(asked) if len(server.asked) < 2 else (status, b"no")
    batches = Ipinfo().answers(public(1_500))
    assert [len(next(batches)), len(next(batches))] == [0, 1_000]
    with pytest.raises(UserError, match=f"HTTP {status}.*IPINFO_CREDENTIALS") as raised:
        next(batches)
    assert TOKEN not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize("token", ["", " \n"])
def test_without_a_token_nothing_is_asked(server, log, monkeypatch, token):
    monkeypatch.setenv("IPINFO_CREDENTIALS", token)
    with pytest.raises(UserError, match="IPINFO_CREDENTIALS is not set"):
        answers_of(Ipinfo(), "8.0.0.0")


def test_a_token_that_cannot_be_one_is_not_shown(server, log, monkeypatch):
    monkeypatch.setenv("IPINFO_CREDENTIALS", f"{TOKEN}\n{TOKEN}")
    assert answers_of(Ipinfo(), "8.0.0.0") == {}
    assert "the key has characters that no key has" in log.text


@pytest.mark.parametrize("count", [5, 150])
def test_a_plan_without_regions_is_said_once(server, log, count):
    server.answer = lambda asked: (200, {a: {"ip": a, "country_code": "US"} for a in asked.body})
    assert set(answers_of(Ipinfo(), *public(count)).values()) == {"US"}
    assert log.text.count("no regions") == 1


def test_ipinfo_elsewhere(monkeypatch):
    monkeypatch.setattr(ipinfo.handler, "API_URL", "http://127.0.0.1:1")
    with serving(all_of) as server:
        provider = find_provider("ipinfo", mmdb=None, max_lookups=None, url=f"{server.url}/")
        assert answers_of(provider, "8.0.0.0") == {"8.0.0.0": "US/California"}
