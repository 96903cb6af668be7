"""`scripts/nightly.sh`, called as cron calls it: with hardly an environment, from anywhere."""

import fcntl
import os
import signal
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from incremental import ALPHA, SALT, line, write_archive
from incremental import add as add_lines
from workflow import ROOT, differences, results, run, write_yaml

NIGHTLY = ROOT / "scripts/nightly.sh"
BUSY, STALE, MISUSED = 75, 3, 2
ROOT_FOLDER = Path("/")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A small archive with its configuration, and the salt where cron's runs find it."""
    folder = tmp_path / "archive"
    folder.mkdir()
    write_archive(folder)
    (folder / ".env").write_text(f"IP_HASH_SALT='{SALT}'\n")
    (folder / ".env").chmod(0o600)
    return folder


def start(folder: Path, *arguments: str, cwd: Path = ROOT_FOLDER) -> subprocess.Popen[str]:
    """Start it as cron does."""
    return subprocess.Popen(
        [NIGHTLY, "--directory", str(folder), *arguments],
        cwd=cwd,
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def nightly(folder: Path, *arguments: str, code: int = 0, cwd: Path = ROOT_FOLDER) -> str:
    """Run it to its end; returns what it told, which cron would send by mail."""
    process = start(folder, *arguments, cwd=cwd)
    told, _ = process.communicate(timeout=300)
    assert process.returncode == code, told + "".join(map(Path.read_text, logs(folder)))
    return told


def logs(folder: Path) -> list[Path]:
    return sorted((folder / "logs").glob("*.log"))


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


ONLY_REDUCE = ("--", "reduce_all")


def test_a_night_from_cron_is_what_a_run_by_hand_is(archive: Path, tmp_path: Path):
    assert nightly(archive, "--configfile", "config/config.yaml") == ""
    by_hand = tmp_path / "by hand"
    by_hand.mkdir()
    write_archive(by_hand)
    run(by_hand, salt=SALT)
    made = results(archive)
    del made["status.json"]
    assert differences(made, results(by_hand)) == []
    assert not (archive / "cache/salt").exists()

    [log] = logs(archive)
    told = log.read_text()
    assert "Finished jobid: 0 (Rule: all)" in told
    assert "4 reduced, 2022-01-05 to 2022-02-02" in told
    assert (mode(log), mode(log.parent)) == ("0o600", "0o700")
    umask = os.umask(0)
    os.umask(umask)
    assert mode(archive / "results/published/totals.json") == oct(0o666 & ~umask)


def test_a_run_that_fails_calls_the_hook(archive: Path, tmp_path: Path):
    (archive / "raw/2022/02/03.log.gz").write_bytes(b"not compressed")
    words = f'echo "$2" "$1" >"{tmp_path}/words"'
    told = nightly(archive, "--on-failure", words, *ONLY_REDUCE, code=1)
    [log] = logs(archive)
    assert "2022/02/03.log.gz cannot be decompressed" in log.read_text()
    assert f"The run failed with exit code 1; {log} tells of it." in told
    assert (tmp_path / "words").read_text() == f"1 {log}\n"

    hook = tmp_path / "hook.sh"
    hook.write_text(f'#!/bin/sh\necho "$2" "$1" >"{tmp_path}/word"\nexit 7\n')
    hook.chmod(0o755)
    told = nightly(archive, "--on-failure", str(hook), *ONLY_REDUCE, code=1)
    assert (tmp_path / "word").read_text() == f"1 {logs(archive)[-1]}\n"
    assert "The command of --on-failure ended with exit code 7." in told


def test_a_terminal_shows_what_the_log_gets(archive: Path):
    ours, of_script = os.openpty()
    process = subprocess.Popen(
        [NIGHTLY, "--directory", str(archive), *ONLY_REDUCE],
        env={},
        stdin=subprocess.DEVNULL,
        stderr=of_script,
        start_new_session=True,
    )
    os.close(of_script)
    shown = b""
    with suppress(OSError):  # That is how a terminal ends.
        while data := os.read(ours, 1 << 16):
            shown += data
    os.close(ours)
    assert process.wait(60) == 0
    assert shown.decode().replace("\r\n", "\n") == logs(archive)[0].read_text()


def test_stale_results_are_an_error_of_their_own(archive: Path, tmp_path: Path):
    stale = write_yaml(tmp_path / "stale.yaml", {"status": {"max_lag_days": 3}})
    files = ("--configfile", "config/config.yaml", "--configfile", str(stale))
    told = nightly(archive, *files, "--on-failure", "echo hook $2", *ONLY_REDUCE, code=STALE)
    assert "the results are stale" in told
    assert told.endswith("hook 3\n")
    assert "status.max_lag_days is 3" in logs(archive)[0].read_text()


def test_a_run_by_hand_is_not_disturbed_but_waited_for(archive: Path):
    (archive / "results").mkdir()
    with (archive / "results/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = nightly(archive, "--on-failure", "echo hook $2", *ONLY_REDUCE, code=BUSY)
        assert "Another run is at work. This one did not begin.\nhook 75\n" in told
        waiting = start(archive, "--wait", "60", *ONLY_REDUCE)
        while not any("Another run is at work" in log.read_text() for log in logs(archive)[1:]):
            assert waiting.poll() is None
            time.sleep(0.1)
    told, _ = waiting.communicate(timeout=300)
    assert (waiting.returncode, told) == (0, "")


def test_two_nights_do_not_overlap(archive: Path):
    (archive / "logs").mkdir()
    with (archive / "logs/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = nightly(archive, *ONLY_REDUCE, code=BUSY)
    assert "Another nightly run is at work. This one did not begin." in told


def test_a_killed_night_that_takes_a_moment_to_end_is_waited_for(archive: Path):
    (archive / "logs").mkdir()
    with (archive / "logs/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(archive, *ONLY_REDUCE)
        while not logs(archive):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)
    assert process.wait(60) == 0


def test_only_the_newest_logs_are_kept(archive: Path):
    (archive / "logs").mkdir()
    for day in range(1, 6):
        (archive / f"logs/2022-01-{day:02}T04-00-00Z.log").touch()
    (archive / "logs/notes.log").touch()
    nightly(archive, "--keep", "3", *ONLY_REDUCE)
    names = [log.name for log in logs(archive)]
    assert names[:2] == ["2022-01-04T04-00-00Z.log", "2022-01-05T04-00-00Z.log"]
    assert names[3:] == ["notes.log"]


def test_it_ends_when_it_is_asked_to(archive: Path):
    """Snakemake is asked in turn: jobs that are at work end, and no other begins."""
    process = start(archive)
    try:
        while not list((archive / "results").glob("reduced/*/*/*.json")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) != 0
        assert not (archive / "results/published").exists()
    finally:
        with pytest.raises(ProcessLookupError):  # Nothing of it is left.
            os.killpg(process.pid, signal.SIGKILL)
    add_lines(archive / "raw/2022/02/02.log", line("2022-02-02 07:00", "192.0.2.1", ALPHA))
    nightly(archive, *ONLY_REDUCE)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--nonsense", "1"], "--nonsense is no option"),
        (["--keep"], "--keep is no option, or lacks its value"),
        (["--keep", "0"], "--keep takes a number"),
        (["--wait", "soon"], "--wait takes a number"),
        (["--directory", "/nowhere"], "There is no folder /nowhere"),
        (["--env", "nothing.env"], "nothing.env to read"),
    ],
)
def test_what_it_does_not_take(archive: Path, arguments: list[str], problem: str):
    assert problem in nightly(archive, *arguments, code=MISUSED)
    assert logs(archive) == []


def test_secrets_that_others_can_read_are_refused(archive: Path):
    (archive / ".env").chmod(0o640)
    assert f"chmod 600 {archive}/.env" in nightly(archive, code=MISUSED)


def test_a_profile_is_found_where_it_is(archive: Path):
    (archive / "mine").mkdir()
    write_yaml(archive / "mine/config.yaml", {"set-threads": ["reduce=1"]})
    nightly(archive, "--profile", "mine", *ONLY_REDUCE)
    assert f"profile {archive}/mine" in logs(archive)[0].read_text()


def test_its_help_lists_every_option():
    help_text = subprocess.run(
        [NIGHTLY, "--help"], capture_output=True, text=True, check=True
    ).stdout
    source = NIGHTLY.read_text()
    options = {
        word.strip(" )") for word in source.split() if word.startswith("--") and word.endswith(")")
    }
    assert {option for option in options if option != "--"} <= set(help_text.split())
