"""Coordinates of OpenCage for what the tables lack."""

import json
import logging
import threading

import _geocoder
import _web
import coordinates
import pytest
import yaml
from servers import serving

KEY = "key-that-nobody-shall-see"
LABELS = ["US/California", "US/Somewhere", "TW/Taoyuan", "US", "AWS/xx-new-1", "ZZ/Where", "GitHub"]


def found(code, latitude=10.5, longitude=-20.25):
    parts = {"ISO_3166-1_alpha-2": code.upper(), "country_code": code, "_type": "state"}
    point = {"lat": latitude, "lng": longitude}
    return 200, {"results": [{"components": parts, "geometry": point}], "total_results": 1}


def in_its_country(asked):
    return found(asked.query["countrycode"])


@pytest.fixture
def run(tmp_path, monkeypatch, caplog):
    """The rule on some regions; no message may show the key."""
    monkeypatch.setattr(_web, "WAIT", 0.0)
    monkeypatch.setattr(_geocoder, "PAUSE", 0.0)
    monkeypatch.setenv("OPENCAGE_API_KEY", KEY)
    caplog.set_level(logging.INFO)

    def run(server, labels=LABELS):
        summary = tmp_path / "by_region.tsv"
        rows = "".join(f"{label}\t1\t1\t1\n" for label in labels)
        summary.write_text(f"region\tbytes_sent\tnumber_of_requests\tnumber_of_downloads\n{rows}")
        target = tmp_path / "coordinates.yaml"
        coordinates.main(
            regions=summary, coordinates=target, override=None, cache=tmp_path / "cache",
            opencage_url=f"{server.url}/geocode/v1/json",
        )  # fmt: skip
        assert KEY not in target.read_text()
        return yaml.safe_load(target.read_text())

    yield run
    assert KEY not in caplog.text
    assert not any(KEY in path.read_text() for path in (tmp_path / "cache").iterdir())


def kept(tmp_path):
    return json.loads((tmp_path / "cache/coordinates.json").read_text())


def test_only_what_the_tables_lack_is_asked_and_only_once(run, tmp_path):
    with serving(in_its_country) as server:
        points = run(server)
        assert run(server) == points
        assert [asked.query["q"] for asked in server.asked] == ["Taoyuan", "Somewhere"]
        assert server.asked[0].path == "/geocode/v1/json"
        question = {"countrycode": "tw", "limit": "1", "no_annotations": "1", "key": KEY}
        assert server.asked[0].query == {"q": "Taoyuan", **question}
    assert points["TW/Taoyuan"] == {"latitude": 10.5, "longitude": -20.25}
    assert points["US/California"]["latitude"] == 36.1894
    assert set(kept(tmp_path)) == {"TW/Taoyuan", "US/Somewhere"}


def test_without_a_key_nothing_is_asked_and_answers_stay(run, monkeypatch):
    with serving(in_its_country) as server:
        points = run(server)
        monkeypatch.delenv("OPENCAGE_API_KEY")
        count = len(server.asked)
        assert run(server) == points
        run(server, [*LABELS, "US/Elsewhere"])
        assert len(server.asked) == count


@pytest.mark.parametrize(
    "reply",
    [
        found("br"),
        (200, {"results": []}),
        (200, {"results": [{"components": {}, "geometry": {"lat": 1, "lng": 1}}]}),
    ],
)
def test_a_point_in_another_country_is_not_taken(run, tmp_path, caplog, reply):
    with serving(lambda _: reply) as server:
        points = run(server)
        run(server)
        assert len(server.asked) == 2
    assert points["TW/Taoyuan"]["latitude"] != 1
    assert kept(tmp_path) == {"TW/Taoyuan": None, "US/Somewhere": None}
    assert "Shown at a point of their country" in caplog.text


@pytest.mark.parametrize(
    ("reply", "reason", "tries"),
    [
        ((401, {}), "does not know the key", 1),
        ((402, {}), "quota is used up", 1),
        ((403, {}), "blocks the key", 1),
        ((429, {}), "too many questions", 1),
        ((503, b""), "HTTP 503", 3),
        (None, "no connection", 3),
        ((200, b"<html>"), "another form", 1),
        ((200, []), "another form", 1),
        ((200, {"results": [{}]}), "another form", 1),
        (found("us", latitude=91), "another form", 1),
        (found("us", longitude=float("nan")), "another form", 1),
    ],
)
def test_a_failure_ends_the_asking_and_loses_nothing(run, tmp_path, caplog, reply, reason, tries):
    with serving(lambda r: in_its_country(r) if len(server.asked) == 1 else reply) as server:
        points = run(server)
        assert len(server.asked) == 1 + tries
        assert "US/Somewhere" in points
        assert reason in caplog.text
        assert set(kept(tmp_path)) == {"TW/Taoyuan"}
        server.answer = in_its_country
        assert run(server)["US/Somewhere"] == {"latitude": 10.5, "longitude": -20.25}


@pytest.mark.parametrize("content", ["{", "[]", '{"TW/Taoyuan": 5}', '{"TW/Taoyuan": {}}'])
def test_a_damaged_file_of_answers_is_asked_for_again(run, tmp_path, caplog, content):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/coordinates.json").write_text(content)
    with serving(in_its_country) as server:
        assert run(server)["TW/Taoyuan"] == {"latitude": 10.5, "longitude": -20.25}
    assert "coordinates.json cannot be used" in caplog.text


def test_a_time_out(run, caplog, monkeypatch):
    monkeypatch.setattr(_web, "TIMEOUT", 0.1)
    wait = threading.Event()
    with serving(lambda _: wait.wait(5) and None) as server:
        run(server, ["US/Somewhere"])
        wait.set()
    assert "time-out" in caplog.text
