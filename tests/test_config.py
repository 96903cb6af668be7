"""What a configuration may say, and what is refused before anything runs."""

import os
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from _config import check, excluded_years, found, selects
from _log import UserError
from _raw_logs import Day, files_of_day, find_days, fingerprint, newest_file
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate
from workflow import ROOT, SHIPPED_CONFIG, jobs_of, output_of, results, run

SCHEMA = ROOT / "config/config.schema.yaml"
README = ROOT / "config/README.md"


def read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text("utf-8"))


def changed(**changes: Any) -> dict[str, Any]:
    """The shipped configuration with some of its keys changed; `None` takes one out."""
    config = read_yaml(SHIPPED_CONFIG) | changes
    return {key: value for key, value in config.items() if value is not None}


def checked(**changes: Any) -> dict[str, Any]:
    """A configuration as a run has it: valid, its defaults filled in, checked."""
    config = deepcopy(changed(**changes))
    validate(config, str(SCHEMA))
    check(config, ROOT)
    return config


# --- Keys ----------------------------------------------------------------------------------------


def keys_of(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key with what the schema says of it; `exclude.ips` for one in another."""
    for name, of_key in schema["properties"].items():
        yield prefix + name, of_key
        if "properties" in of_key:
            yield from keys_of(of_key, f"{prefix}{name}.")


KEYS = dict(keys_of(read_yaml(SCHEMA)))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_described(key: str):
    assert KEYS[key]["description"].strip().endswith(".")


@pytest.mark.parametrize("key", [key for key, of_key in KEYS.items() if "properties" not in of_key])
def test_every_key_stands_in_the_readme_with_its_default(key: str):
    if not README.exists():
        pytest.skip("there is no config/README.md")
    [row] = [line for line in README.read_text("utf-8").splitlines() if f"| `{key}` |" in line]
    cells = row.split(" | ")
    default = KEYS[key].get("default")
    shown = yaml.safe_dump(default, default_flow_style=True).splitlines()[0]
    assert cells[2].replace("`", "") == shown or (
        default is None and re.match("none|required|no limit", cells[2])
    )


def test_the_readme_names_no_other_key():
    if not README.exists():
        pytest.skip("there is no config/README.md")
    table = README.read_text("utf-8").split("## Keys")[1].split("\n## ")[0]
    rows = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(key for key, of in KEYS.items() if "properties" not in of)


def test_no_key_both_is_required_and_has_a_default():
    """Such a key would never be missed: the default is filled in first."""
    schemas = [read_yaml(SCHEMA), *(of_key for of_key in KEYS.values() if "properties" in of_key)]
    for schema in schemas:
        assert schema["additionalProperties"] is False
        for key in schema.get("required", []):
            assert "default" not in schema["properties"][key]


def test_the_shipped_configuration_is_valid_and_complete():
    config = checked()
    assert config["operation"] == "REST.GET.OBJECT"
    assert config["privacy"] == {"minimum": 50, "round_to": 20}


def test_a_short_configuration_gets_its_defaults():
    config: dict[str, Any] = {
        "raw_logs": "tests/example/raw",
        "dandi": {"snapshot": "tests/example/dandisets.tsv"},
    }
    validate(config, str(SCHEMA))
    check(config, ROOT)
    assert config == {
        "raw_logs": "tests/example/raw",
        "storage": {"s3": {"tries": 5, "relist_days": 14, "list_all_days": 30}},
        "results": "results",
        "cache": "cache",
        "operation": "REST.GET.OBJECT",
        "exclude": {"ips": [], "years": [], "dandisets": []},
        "restrict_to_dandisets": [],
        "accounting": {"warn_malformed_share": 0.001, "fail_malformed_share": 0.05},
        "dandi": {
            "source": "snapshot",
            "snapshot": "tests/example/dandisets.tsv",
            "api_url": "https://api.dandiarchive.org/api",
            "refresh": "daily",
            "connections": 4,
            "timeout": 60,
            "tries": 6,
            "wait": 1,
            "give_up_after": 600,
        },
        "regions": {
            "provider": "none",
            "services": {},
            "recheck_days": 90,
            "opencage_url": "https://api.opencagedata.com/geocode/v1/json",
        },
        "mapping": {"asset_logs": True},
        "privacy": {"minimum": 50, "round_to": 20},
        "status": {},
        "publish": {},
    }


# --- Refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"raw_log": "raw"}, "raw_log"),
        ({"exclude": {"ip": []}}, "ip"),
        ({"dandi": {"snapshots": "x"}}, "snapshots"),
        ({"regions": {"token": "x"}}, "token"),
        ({"mapping": {"logs": True}}, "logs"),
        ({"privacy": {"min": 5}}, "min"),
        ({"raw_logs": None}, "raw_logs"),
        ({"raw_logs": ["a", "b"]}, "raw_logs"),
        ({"raw_logs": ""}, "raw_logs"),
        ({"results": 5}, "results"),
        ({"operation": "GET"}, "operation"),
        ({"exclude": []}, "exclude"),
        ({"exclude": {"years": ["2021"]}}, "years"),
        ({"exclude": {"ips": "192.0.2.1"}}, "ips"),
        ({"exclude": {"dandisets": [3]}}, "dandisets"),
        ({"exclude": {"dandisets": ["3"]}}, "dandisets"),
        ({"exclude": {"dandisets": ["000003", "000003"]}}, "dandisets"),
        ({"restrict_to_dandisets": ["000003x"]}, "restrict_to_dandisets"),
        ({"restrict_to_dandisets": ["undetermined"]}, "restrict_to_dandisets"),
        ({"dandi": {"source": "web"}}, "source"),
        ({"dandi": {"refresh": "weekly"}}, "refresh"),
        ({"dandi": {"api_url": "ftp://x"}}, "api_url"),
        ({"regions": {"provider": "maxmind"}}, "provider"),
        ({"regions": {"services": {"AWS": 5}}}, "AWS"),
        ({"regions": {"services": {"US": "x"}}}, "US"),
        ({"regions": {"services": {"a/b": "x"}}}, "a/b"),
        ({"mapping": {"asset_logs": "yes"}}, "asset_logs"),
        ({"privacy": {"minimum": 0}}, "minimum"),
        ({"privacy": {"round_to": 2.5}}, "round_to"),
    ],
    ids=repr,
)
def test_the_schema_refuses(changes: dict[str, Any], word: str):
    config = deepcopy(changed(**changes))
    with pytest.raises(WorkflowError) as refusal:
        validate(config, str(SCHEMA))
    assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw_logs": "nowhere"}, "raw_logs: there is no folder nowhere."),
        (
            {"exclude": {"ips": ["192.0.2.0/24", "192.0.2.0/33"]}},
            "exclude.ips: 192.0.2.0/33 is neither an IP address nor a CIDR block.",
        ),
        (
            {"exclude": {"ips": ["2001:db8::/129"]}},
            "exclude.ips: 2001:db8::/129 is neither an IP address nor a CIDR block.",
        ),
        (
            {"exclude": {"ips": ["localhost"]}},
            "exclude.ips: localhost is neither an IP address nor a CIDR block.",
        ),
        (
            {"exclude": {"dandisets": ["000108"]}, "restrict_to_dandisets": ["000003"]},
            "exclude.dandisets and restrict_to_dandisets are both set. They exclude each other",
        ),
        ({"dandi": {"snapshot": "no.tsv"}}, "dandi.snapshot: there is no file no.tsv."),
        ({"dandi": {}}, "dandi.snapshot is missing: without a snapshot no request can be given to"),
        (
            {"dandi": {"source": "api", "api_url": "https://user:secret@example.org"}},
            "dandi.api_url must be a plain base URL, without user, password, ? and #.",
        ),
        ({"regions": {"provider": "mmdb"}}, "regions.mmdb is missing: regions.provider mmdb needs"),
        (
            {"regions": {"provider": "mmdb", "mmdb": "no.mmdb"}},
            "regions.mmdb: there is no file no.mmdb.",
        ),
        (
            {"regions": {"services": {"AWS": "no.json"}}},
            "regions.services.AWS: there is no file no.json, and this is no URL.",
        ),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(UserError) as refusal:
        checked(**changes)
    assert f"\n- {message}" in str(refusal.value)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(UserError) as refusal:
        checked(raw_logs="nowhere", exclude={"ips": ["x", "y"]}, dandi={"snapshot": "no.tsv"})
    assert str(refusal.value).count("\n- ") == 4


def test_what_is_not_a_problem():
    checked(
        exclude={"ips": ["192.0.2.7/24", "2001:DB8::", "10.0.0.0/8"], "years": [2019]},
        restrict_to_dandisets=["000003", "999999"],
        regions={"provider": "none", "mmdb": "no.mmdb"},
    )
    checked(
        dandi={"source": "api", "snapshot": "no.tsv"},
        regions={"provider": "ipinfo", "services": {"AWS": "https://example.org/ranges.json"}},
    )


def test_a_password_in_a_url_is_not_shown():
    with pytest.raises(UserError) as refusal:
        checked(dandi={"source": "api", "api_url": "https://user:secret@example.org"})
    assert "secret" not in str(refusal.value)


# --- What it means -------------------------------------------------------------------------------


def test_names_are_looked_for_in_the_working_directory_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    base = tmp_path / "base"
    for folder in (base / "both", base / "there", tmp_path / "both", tmp_path / "here"):
        folder.mkdir(parents=True)
    assert found("both", base) == Path("both")
    assert found("here", base) == Path("here")
    assert found("there", base) == base / "there"
    assert found("nowhere", base) == Path("nowhere")
    assert found(str(tmp_path / "there"), base) == tmp_path / "there"


@pytest.mark.parametrize(
    ("changes", "selected"),
    [
        ({}, ["000003", "000108", "undetermined"]),
        ({"restrict_to_dandisets": ["000003", "000004"]}, ["000003", "undetermined"]),
        ({"exclude": {"dandisets": ["000003"]}}, ["000108", "undetermined"]),
    ],
)
def test_selected_dandisets(changes: dict[str, Any], selected: list[str]):
    config = checked(**changes)
    names = ["000003", "000108", "undetermined"]
    assert [name for name in names if selects(config, name)] == selected


def test_excluded_years():
    assert excluded_years(checked(exclude={"years": [2019, 2021, 2019]})) == {2019, 2021}


# --- Days ----------------------------------------------------------------------------------------


def touch(folder: Path, *names: str) -> None:
    """Make files, and of names with a slash at their end folders."""
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x\n")


def test_days_in_every_form_and_in_order(tmp_path: Path):
    names = ["2022/05/03.log.zst", "2022/05/01.log", "2022/05/02.log.gz", "2021/12/31/A"]
    touch(tmp_path, *names)
    days, strays = find_days(tmp_path)
    assert list(days) == [
        Day(*name.split("/")) for name in ("2021/12/31", "2022/05/01", "2022/05/02", "2022/05/03")
    ]
    assert days["2021", "12", "31"] == tmp_path / "2021/12/31"
    assert days["2022", "05", "02"] == tmp_path / "2022/05/02.log.gz"
    assert strays == []


@pytest.mark.parametrize(
    "name",
    [
        *("2022/05/32.log", "2022/13/01.log", "2022/02/29.log", "2022/05/1.log", "2022/5/01.log"),
        *("2022/05/01.txt", "2022/05/01.log.bz2", "2022/05/01.LOG", "2022/05/01", "22/05/01.log"),
        *(
            "2022/05/01.log/",
            "2022/05/01.log.gz/",
            "2022/05/notes",
            "2022/05/32/",
            "abcd/05/01.log",
        ),
        *("2022/05/01.log.gz.part", "2022/05/2022-05-01.log", "0000/05/01.log"),
    ],
)
def test_what_has_no_date_for_a_name_is_left_out_and_named(tmp_path: Path, name: str):
    touch(tmp_path, "2022/05/04.log", name)
    days, strays = find_days(tmp_path)
    assert list(days) == [("2022", "05", "04")]
    assert strays == [tmp_path / name]


def test_what_is_hidden_or_no_day_is_no_stray(tmp_path: Path):
    touch(tmp_path, "2022/05/.01.log.part", ".cache/05/01.log", "2022/.x", "README", "2022/notes")
    assert find_days(tmp_path) == ({}, [])


@pytest.mark.parametrize("other", ["01.log.gz", "01.log.zst", "01/"])
def test_a_day_that_is_there_twice_is_refused(tmp_path: Path, other: str):
    touch(tmp_path, "2022/05/01.log", f"2022/05/{other}")
    with pytest.raises(UserError, match=r"are the same day\. Leave one of them") as refusal:
        find_days(tmp_path)
    for name in ("01.log", other.removesuffix("/")):
        assert str(tmp_path / "2022/05" / name) in str(refusal.value)


def test_files_of_a_delivered_day(tmp_path: Path):
    touch(tmp_path, "01/b", "01/a", "01/.hidden", "01/folder/")
    files = files_of_day(tmp_path / "01")
    assert [file.name for file in files] == ["a", "b"]
    (tmp_path / "01/a").touch()
    assert newest_file(tmp_path / "01").name == "a"
    assert newest_file(tmp_path / "01/folder") == tmp_path / "01/folder"


def test_a_fingerprint_tells_of_every_change_of_a_day(tmp_path: Path):
    touch(tmp_path, "01/a", "01/b")
    day, file = tmp_path / "01", tmp_path / "01/a"
    told = [fingerprint(day)]
    for change in (
        lambda: file.write_text("longer than before"),
        lambda: os.utime(file, (1_600_000_000, 1_600_000_000)),
        lambda: file.rename(day / "c"),
        lambda: (day / "b").unlink(),
    ):
        change()
        told.append(fingerprint(day))
    assert len(set(told)) == 5
    os.utime(day / "c", (1_600_000_000.25, 1_600_000_000.25))
    assert fingerprint(day) == told[-1], "a file system that keeps whole seconds only"


# --- Told to the user ----------------------------------------------------------------------------


def test_a_run_says_what_is_wrong_and_starts_nothing(tmp_path: Path):
    config = changed(dandi={"snapshot": "no.tsv"}, exclude={"ips": ["x"]})
    result = run(tmp_path, config=config, fails=True)
    told = output_of(result)
    assert "- dandi.snapshot: there is no file no.tsv." in told
    assert "- exclude.ips: x is neither an IP address nor a CIDR block." in told
    assert "Traceback" not in told
    assert not jobs_of(result)
    assert results(tmp_path) == {}


def test_a_run_refuses_an_unknown_key(tmp_path: Path):
    result = run(tmp_path, config=changed(raw_log="raw"), fails=True)
    assert "raw_log" in output_of(result)
    assert not jobs_of(result)


def test_a_run_names_what_it_leaves_out(tmp_path: Path):
    touch(tmp_path / "raw", "2022/05/01.log", "2022/05/backup.log", "2022/05/32.log.gz")
    result = run(tmp_path, "--dry-run", "reduce_all", config=changed(raw_logs="raw"))
    told = output_of(result)
    assert "Left out, for its name is no date: raw/2022/05/backup.log" in told
    assert "Left out, for its name is no date: raw/2022/05/32.log.gz" in told
    assert jobs_of(result)["reduce"] == 1


def test_a_run_refuses_a_day_that_is_there_twice(tmp_path: Path):
    touch(tmp_path / "raw", "2022/05/01.log", "2022/05/01.log.gz")
    result = run(tmp_path, "--dry-run", config=changed(raw_logs="raw"), fails=True)
    assert "are the same day. Leave one of them in the folder." in output_of(result)


def test_a_run_without_a_snapshot_can_reduce_and_bin_alone(tmp_path: Path):
    touch(tmp_path / "raw", "2022/05/01.log")
    config = changed(raw_logs="raw", dandi={})
    assert jobs_of(run(tmp_path, "--dry-run", "bin_all", config=config))["bin"] == 1
    told = output_of(run(tmp_path, "--dry-run", config=config, fails=True))
    assert "dandi.snapshot is missing" in told
