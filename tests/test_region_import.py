"""Taking over what the predecessor looked up: its salt and its caches."""

import gzip
import hashlib
from datetime import date

import hash_addresses
import hash_salt
import import_region_cache
import polars as pl
import pytest
import yaml
import zstandard
from _attempts import Attempt, keep_attempt, last_attempt
from _hashes import hash_address
from _log import UserError
from _region_cache import RegionCache
from _tables import IPS, write_table

LINES = b'owner bucket [01/Oct/2019:00:00:01 +0000] 8.8.8.8 "caf\xc3\xa9"\nsecond line\n'
SALT = hashlib.sha1(LINES.split(b"\n")[0] + b"\n").hexdigest()


def write_log(folder, form, content=LINES):
    path = folder / f"2019/10/01{form}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "":
        path.mkdir()
        (path / "2019-10-01-00-00-02-A").write_bytes(b"")
        (path / "2019-10-01-00-00-03-B").write_bytes(content)
        (path / "2019-10-01-00-00-04-C").write_bytes(b"other\n")
    elif form == ".log.gz":
        path.write_bytes(gzip.compress(content))
    elif form == ".log.zst":
        path.write_bytes(zstandard.compress(content))
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("form", hash_salt.FORMS)
def test_the_salt_of_the_predecessor(tmp_path, capsys, form):
    write_log(tmp_path, form)
    hash_salt.main([str(tmp_path)])
    assert capsys.readouterr().out == f"{SALT}\n"


def test_a_single_line_without_its_end(tmp_path):
    write_log(tmp_path, ".log", b"line")
    assert hash_salt.hash_salt(tmp_path) == hashlib.sha1(b"line").hexdigest()


def test_without_that_day_there_is_no_salt(tmp_path):
    with pytest.raises(SystemExit, match=r"2019/10/01.log is missing"):
        hash_salt.main([str(tmp_path)])
    write_log(tmp_path, ".log", b"")
    with pytest.raises(SystemExit, match="is empty"):
        hash_salt.main([str(tmp_path)])


# --- the caches ----------------------------------------------------------------------------------

OLD = {
    "8.0.0.1": "US/California",
    "8.0.0.2": "DE",
    "8.0.0.3": "FR/Île\t-de-France\n",
    "8.0.0.4": "AWS/us-east-1",
    "8.0.0.5": "unknown",
    "8.0.0.6": "VPN",
    "8.0.0.7": "California",
    "8.0.0.8": "US/None",
    "8.0.0.9": None,
    "8.0.0.10": "US/Texas",  # known here already
    "8.0.0.11": "US/Ohio",  # of a service here
    "8.0.0.12": "US/Utah",  # in no month
    "192.0.2.1": "bogon",
}
NEW = ["8.0.0.13", "-"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place with binned months, a cache, the predecessor's caches and a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IP_HASH_SALT", SALT)
    months = ([*OLD][:6], [*OLD][4:11] + [*OLD][12:] + NEW)
    for number, addresses in enumerate(months, start=1):
        path = tmp_path / f"results/binned/2022-{number:02}.ips.parquet"
        write_table(pl.DataFrame({"ip_address": sorted(addresses)}), path, IPS)
        hash_addresses.main(
            ips=path, hashes=path.with_name(f"2022-{number:02}.hashes.parquet"),
            cache=tmp_path / "cache",
        )  # fmt: skip
    key = SALT.encode()
    known = {"hash": [hash_address(key, "8.0.0.10")], "region": ["MX"], "checked": [date.min]}
    RegionCache(tmp_path / "cache").keep(pl.DataFrame(known))
    (tmp_path / "vpn.txt").write_text("8.0.0.11/32\n")
    config = {"results": "results", "cache": "cache", "regions": {"services": {"VPN": "vpn.txt"}}}
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(config))
    old = {import_region_cache.old_hash(a, bytes.fromhex(SALT)): r for a, r in OLD.items()}
    (tmp_path / "ip_hash_to_region.yaml").write_text(yaml.dump(old))
    (tmp_path / "ip_hash_not_in_services.yaml").write_text(yaml.dump(dict.fromkeys(old, True)))
    return tmp_path


FILES = ["ip_hash_to_region.yaml", "ip_hash_not_in_services.yaml"]


def kept(place):
    table = RegionCache(place / "cache").merge()
    regions = dict(table.select("hash", "region").iter_rows())
    key = SALT.encode()
    return {a: regions[h] for a in (*OLD, *NEW) if (h := hash_address(key, a)) in regions}


def test_places_are_taken_over(place, capsys):
    import_region_cache.main(FILES)
    assert kept(place) == {
        "8.0.0.1": "US/California",
        "8.0.0.2": "DE",
        "8.0.0.3": "FR/Île -de-France",
        "8.0.0.10": "MX",
    }
    out = capsys.readouterr().out
    assert out == (
        "14 addresses in all months: 1 were known, 2 belong to known services, 3 regions taken "
        "over, 8 are still to be looked up.\n"
    )


def test_folders_need_not_be_configured(place, capsys):
    (place / "config/config.yaml").write_text("raw_logs: raw\n")
    import_region_cache.main(FILES)
    assert "4 regions taken over" in capsys.readouterr().out


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("{", "no YAML")])
def test_configuration_that_cannot_be_read(place, content, message):
    path = place / "other.yaml"
    if content:
        path.write_text(content)
    with pytest.raises(SystemExit, match=message):
        import_region_cache.main([*FILES, "--configfile", str(path)])


def test_a_second_time_nothing_changes(place, capsys):
    import_region_cache.main(FILES)
    before = kept(place)
    import_region_cache.main(FILES)
    assert kept(place) == before
    assert " 0 regions taken over" in capsys.readouterr().out


def test_the_workflow_notices(place):
    keep_attempt(place / "cache", Attempt(4, date(2022, 5, 1), 0))
    import_region_cache.main(FILES)
    assert last_attempt(place / "cache") == Attempt(4, date(2022, 5, 1), 3)


def test_the_salt_may_come_from_the_raw_logs(place, monkeypatch, capsys):
    write_log(place / "raw", ".log")
    monkeypatch.setenv("IP_HASH_SALT", "x")
    (place / "cache/salt.fingerprint").unlink()
    with pytest.raises(SystemExit, match="40 hexadecimal digits"):
        import_region_cache.main(FILES)
    import_region_cache.main([*FILES, "--raw-logs", "raw"])
    assert "4 regions taken over" in capsys.readouterr().out


def test_another_salt_than_the_cache_has_is_refused(place, monkeypatch):
    monkeypatch.setenv("IP_HASH_SALT", "0" * 40)
    with pytest.raises(SystemExit, match="salt is not the one"):
        import_region_cache.main(FILES)


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [", "no YAML"), ("- a", "no cache"), ("8.8.8.8: US", "no cache"), (b"\xff", "no YAML")],
)
def test_other_files_are_refused(place, content, message):
    path = place / "other.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SystemExit, match=message) as raised:
        import_region_cache.main(["other.yaml"])
    assert "8.8.8.8" not in str(raised.value)
    with pytest.raises(SystemExit, match="cannot be read"):
        import_region_cache.main(["missing.yaml"])


def test_months_must_be_binned_first(place):
    for path in (place / "results/binned").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="bin_all"):
        import_region_cache.read_addresses(place / "results/binned")
