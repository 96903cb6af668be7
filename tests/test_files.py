"""Folders that change as a whole: a reader, or a kill, at any moment finds one that is whole."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import _files
import pytest
from workflow import ROOT


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / name).write_text(text)
    return folder


def read(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.iterdir()}


def cannot_exchange(*_: Path) -> bool:
    return False


@pytest.fixture(params=["at once", "one after the other"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "at once":
        monkeypatch.setattr(_files, "exchange", cannot_exchange)
    return request.param


@pytest.mark.usefixtures("way")
def test_a_folder_takes_the_place_of_another(tmp_path: Path):
    folder = tmp_path / "folder"
    for text in ("old", "new", "newest"):
        _files.swap(write(tmp_path / "fresh", text), folder)
        assert read(folder) == {text}
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.usefixtures("way")
def test_what_a_killed_swap_left_is_mended(tmp_path: Path):
    folder = tmp_path / "folder"
    write(tmp_path / ".folder.old", "old")
    _files.mend(folder)
    assert read(folder) == {"old"}
    write(tmp_path / ".folder.old", "older")
    _files.mend(folder)
    assert read(folder) == {"old"}
    write(tmp_path / ".folder.old", "older")
    _files.swap(write(tmp_path / "fresh", "new"), folder)
    assert read(folder) == {"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_names_are_exchanged_at_once(tmp_path: Path):
    one, other = write(tmp_path / "one", "1"), write(tmp_path / "other", "2")
    assert _files.exchange(one, other)
    assert (read(one), read(other)) == ({"2"}, {"1"})


def test_an_exchange_with_nothing_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        _files.exchange(write(tmp_path / "one", "1"), tmp_path / "none")
    assert read(tmp_path / "one") == {"1"}


SWAPPER = """
import sys
from pathlib import Path
import _files
folder = Path(sys.argv[1])
if sys.argv[2] == "slowly":
    _files.exchange = lambda *_: False
number = 0
while True:
    number += 1
    fresh = folder.with_name("fresh")
    import shutil
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name in ("one", "two"):
        (fresh / name).write_text(str(number))
    _files.swap(fresh, folder)
"""


def swapper(folder: Path, way: str) -> subprocess.Popen:
    """A process that swaps a folder for another, again and again."""
    return subprocess.Popen(
        [sys.executable, "-c", SWAPPER, str(folder), way],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
    )


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_reader_never_finds_the_folder_gone_or_mixed(tmp_path: Path):
    folder = tmp_path / "folder"
    process = swapper(folder, "at once")
    try:
        wait_for(folder)
        seen: set[str] = set()
        until = time.monotonic() + 60
        while len(seen) < 50:
            assert time.monotonic() < until
            # Who has the folder open keeps reading the same one, also when it is replaced.
            here = os.open(folder, os.O_RDONLY)
            texts = set()
            for name in ("one", "two"):
                try:
                    file = os.open(name, os.O_RDONLY, dir_fd=here)
                except FileNotFoundError:
                    continue  # The one that was opened has been replaced and deleted since.
                texts.add(os.read(file, 100).decode())
                os.close(file)
            os.close(here)
            assert len(texts) <= 1
            seen |= texts
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("way", ["at once", "slowly"])
def test_a_kill_at_any_moment_leaves_a_whole_folder(tmp_path: Path, way: str):
    folder = tmp_path / "folder"
    for number in range(12):
        process = swapper(folder, way)
        wait_for(folder)
        time.sleep(0.02 + 0.003 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if way == "slowly":
            _files.mend(folder)
        assert {path.name for path in folder.iterdir()} == {"one", "two"}
        assert len(read(folder)) == 1


def test_json_is_for_people_and_programs(tmp_path: Path):
    _files.write_json(tmp_path / "x.json", {"b": 1, "a": [2]})
    text = (tmp_path / "x.json").read_text()
    assert text == '{\n  "a": [\n    2\n  ],\n  "b": 1\n}\n'
    assert json.loads(text) == {"a": [2], "b": 1}
