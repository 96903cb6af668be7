"""Range documents of services: their shapes, and fetching them."""

import json
import logging
from datetime import date

import _web
import pytest
from _addresses import read_number
from _log import UserError
from _services import find_documents, read_ranges, read_services
from servers import serving

TODAY, TOMORROW = date(2022, 5, 1), date(2022, 5, 2)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(_web, "WAIT", 0.0)


def ranges(tmp_path, label, content):
    path = tmp_path / "document"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_ranges(label, path)


def test_aws(tmp_path):
    document = {
        "syncToken": "1",
        "prefixes": [
            {"ip_prefix": "192.0.2.0/24", "region": "GLOBAL", "service": "AMAZON"},
            {"ip_prefix": "192.0.2.0/24", "region": "us-east-2", "service": "S3"},
        ],
        "ipv6_prefixes": [{"ipv6_prefix": "2001:db8::/32", "region": "eu-west-1"}],
    }
    assert ranges(tmp_path, "AWS", document) == [
        ("192.0.2.0/24", "AWS/us-east-2"),
        ("2001:db8::/32", "AWS/eu-west-1"),
        ("192.0.2.0/24", "AWS/GLOBAL"),
    ]


def test_gcp(tmp_path):
    document = {
        "prefixes": [
            {"ipv4Prefix": "192.0.2.0/24", "service": "Google Cloud", "scope": "us-central1"},
            {"ipv6Prefix": "2001:db8::/32", "scope": "global"},
        ]
    }
    assert ranges(tmp_path, "GCP", document) == [
        ("192.0.2.0/24", "GCP/us-central1"),
        ("2001:db8::/32", "GCP/global"),
    ]


def test_a_place_of_odd_characters_breaks_no_table(tmp_path):
    entries = [
        {"ip_prefix": "192.0.2.0/25", "region": " us-east\t-1\n"},
        {"ip_prefix": "192.0.2.128/25", "region": 5, "scope": ["x"]},
    ]
    assert ranges(tmp_path, "AWS", {"prefixes": entries}) == [
        ("192.0.2.0/25", "AWS/us-east -1"),
        ("192.0.2.128/25", "AWS"),
    ]


def test_a_service_of_another_name_goes_by_its_name_alone(tmp_path):
    document = {"prefixes": [{"ipv4Prefix": "192.0.2.0/24", "scope": "somewhere"}]}
    assert ranges(tmp_path, "Cloud", document) == [("192.0.2.0/24", "Cloud")]


def test_github(tmp_path):
    document = {
        "verifiable_password_authentication": False,
        "ssh_keys": ["ssh-ed25519 AAAA/BBBB"],
        "domains": {"website": ["*.github.com"]},
        "hooks": ["192.0.2.0/24", "2001:db8::/32"],
        "actions": ["198.51.100.7"],
    }
    assert [block for block, _ in ranges(tmp_path, "GitHub", document)] == [
        "192.0.2.0/24",
        "2001:db8::/32",
        "198.51.100.7",
    ]


def test_a_block_a_line(tmp_path):
    text = "# VPNs\n192.0.2.0/24\r\n\n  2001:db8::/32 # documentation\n"
    assert ranges(tmp_path, "VPN", text) == [("192.0.2.0/24", "VPN"), ("2001:db8::/32", "VPN")]
    assert ranges(tmp_path, "VPN", ["192.0.2.0/24"]) == [("192.0.2.0/24", "VPN")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<html>\n<p>Not found</p>", "line 1: this is no CIDR block"),
        ("192.0.2.0/24\nhello", "line 2: this is no CIDR block"),
        ("", "no address range"),
        ({"message": "rate limit"}, "no address range"),
        ({"prefixes": [{"region": "x"}]}, "names no address range"),
        ({"prefixes": ["x"]}, "names no address range"),
        ({"prefixes": [{"ip_prefix": "x"}]}, "names no address range"),
        ("5", "line 1: this is no CIDR block"),
        ("[" * 100_000, "line 1: this is no CIDR block"),
        ({"prefixes": None}, "no list of ranges"),
        ({"prefixes": {"region": "x"}}, "no list of ranges"),
        ({"prefixes": [], "ipv6_prefixes": 5}, "no list of ranges"),
    ],
)
def test_other_documents_are_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        ranges(tmp_path, "AWS", content)


def test_of_equal_blocks_aws_goes_first_then_gcp_then_the_order_of_the_configuration(tmp_path):
    documents = {}
    for label in ("Zebra", "Ant", "GCP", "AWS"):
        documents[label] = tmp_path / label
        documents[label].write_text("192.0.2.0/24\n")
    for label in ("AWS", "GCP", "Zebra", "Ant"):
        assert read_services(documents).label(read_number("192.0.2.1")) == label
        del documents[label]


def test_a_url_is_fetched_once_a_day_and_a_path_never(tmp_path):
    here = tmp_path / "here.txt"
    here.write_text("192.0.2.0/24\n")
    with serving(lambda _: (200, b"198.51.100.0/24\n")) as server:
        sources = {"VPN": f"{server.url}/vpn.txt", "Own": str(here)}
        for day in (TODAY, TODAY, TOMORROW):
            found = find_documents(sources, tmp_path / "cache", day)
        assert len(server.asked) == 2
    assert found["Own"] == here
    assert found["VPN"].read_text() == "198.51.100.0/24\n"
    assert (tmp_path / "cache/services").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("reply", "reason", "tries"),
    [
        ((503, b"busy"), "HTTP 503", 3),
        ((404, b"gone"), "HTTP 404", 1),
        (None, "no connection", 3),
        ((200, b"<html>maintenance</html>"), "no range document", 1),
        ((200, {"prefixes": None}), "no range document", 1),
    ],
)
def test_a_failed_fetch_uses_the_last_good_copy(tmp_path, caplog, reply, reason, tries):
    with serving(lambda _: (200, b"192.0.2.0/24\n")) as server:
        sources = {"VPN": f"{server.url}/vpn.txt?token=secret"}
        find_documents(sources, tmp_path, TODAY)
        server.answer = lambda _: reply
        found = find_documents(sources, tmp_path, TOMORROW)
        assert len(server.asked) == 1 + tries
    assert found["VPN"].read_text() == "192.0.2.0/24\n"
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "VPN" in warning
    assert reason in warning
    assert "2022-05-01" in warning
    assert "secret" not in caplog.text


def test_without_a_copy_a_failed_fetch_names_the_service_and_stops(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with serving(lambda _: (500, b"")) as server:
        url = f"{server.url}/vpn.txt?token=secret"
        with pytest.raises(UserError, match=r"VPN.*HTTP 500") as raised:
            find_documents({"VPN": url}, tmp_path, TODAY)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__
    assert "secret" not in "".join(r.getMessage() for r in caplog.records if r.levelno > 10)
    with pytest.raises(UserError, match="no connection"):
        find_documents({"VPN": url}, tmp_path, TODAY)


def test_a_copy_from_another_url_does_not_count(tmp_path):
    with serving(lambda _: (200, b"192.0.2.0/24\n")) as server:
        find_documents({"VPN": f"{server.url}/old"}, tmp_path, TODAY)
        find_documents({"VPN": f"{server.url}/new"}, tmp_path, TODAY)
        assert [asked.path for asked in server.asked] == ["/old", "/new"]
        server.answer = lambda _: (500, b"")
        with pytest.raises(UserError, match="no earlier copy"):
            find_documents({"VPN": f"{server.url}/newest"}, tmp_path, TODAY)
