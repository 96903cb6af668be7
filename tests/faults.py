"""Runs that are killed, at moments that can be named again, and what stands for them afterwards."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from archive_parts import content_of_name
from incremental import SALT, add, line
from workflow import EXAMPLE, ROOT, SHIPPED_CONFIG, environment, write_yaml

KILLER = ROOT / "tests/killer"
"""Where the killer is that every Python process of a run imports; see there what a moment is."""
PATIENCE = 900
"""Seconds after which a run that does not end is an error."""


def needed(there: bool, reason: str) -> None:
    """Leave a test out where what it needs is not there; where all is checked that is an error."""
    if not there:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


# --- Disks ---------------------------------------------------------------------------------------


@contextmanager
def only_to_be_read(folder: Path) -> Iterator[None]:
    """Close a folder to all writing, even root's."""
    needed(os.geteuid() == 0, "only root may mount a folder")
    for options in (["--bind", str(folder)], ["-o", "remount,bind,ro"]):
        done = subprocess.run(
            ["mount", *options, str(folder)], capture_output=True, text=True, check=False
        )
        needed(done.returncode == 0, f"no folder can be mounted here: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


# --- Archives ------------------------------------------------------------------------------------


def prepare_example(folder: Path) -> Path:
    """Copy the inputs of the example to a folder of their own, with the configuration that fits.

    Names in it are relative, so that a copy of the folder is up to date as the folder is.
    """
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    config = yaml.safe_load(SHIPPED_CONFIG.read_text("utf-8"))
    text = yaml.safe_dump(config).replace("tests/example/", "")
    (folder / "config").mkdir()
    write_yaml(folder / "config/config.yaml", yaml.safe_load(text))
    return folder


def change_overnight(folder: Path) -> None:
    """Change what a night changes: late lines, new days and a month, the listing, a range."""
    new = content_of_name("blob", "listed overnight", 1_234)
    late = line("2022-01-01 23:59", "192.0.2.77", new)
    add(folder / "raw/2022/01/01.log", late)
    add(folder / "raw/2022/05/02/2022-05-02-23-59-59-0123456789ABCDEF", late)
    with (folder / "raw/2021/12/31.log.gz").open("ab") as file:
        file.write(gzip.compress(line("2021-12-31 12:00", "203.0.113.200", new)))
    shutil.copy(folder / "raw/2021/12/30.log", folder / "raw/2022/05/04.log")
    (folder / "raw/2022/06").mkdir()
    shutil.copy(folder / "raw/2022/01/20.log.zst", folder / "raw/2022/06/01.log.zst")
    listing = folder / "dandisets.tsv"
    rows = listing.read_text().splitlines()
    rows.append(
        "\t".join(("000700", "draft", "new.nwb", new.id, "blob", "1234", "2022-01-01T00:00:00Z"))
    )
    kept = [row for row in rows if not row.startswith("000233")]
    listing.write_text("\n".join(kept) + "\n")
    with (folder / "services/vpn.txt").open("a") as file:
        file.write("192.0.2.64/28\n")


# --- Runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Attributes:
        code: Its exit code; that of a killed one is the signal's number, negative.
        told: What it told the terminal.
        changes: How often it changed a file, as the killer counts.
    """

    code: int
    told: str
    changes: int


class Running:
    """A run in a process group of its own, as a terminal or cron start one."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        moment: int = 0,
        kill_by: int = signal.SIGKILL,
        command: list[str] | None = None,
        **variables: str,
    ) -> None:
        """Start a run.

        Args:
            folder: The working directory.
            arguments: Targets and options.
            moment: Before which change of a file it is killed; 0 if never.
            kill_by: The signal for that.
            command: What is run in place of Snakemake.
            variables: Of the environment.
        """
        notes = Path(tempfile.mkdtemp(prefix="run-"))
        self._told = notes / "told"
        self._count = notes / "count"
        self._count.touch()
        command = command or [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--cores", "2"),
        ]
        killer = {
            "PYTHONPATH": str(KILLER),
            "KILLER_FOLDER": str(folder),
            "KILLER_COUNT": str(self._count),
            "KILLER_MOMENT": str(moment),
            "KILLER_SIGNAL": str(int(kill_by)),
        }
        with self._told.open("wb") as told:
            self.process = subprocess.Popen(
                [*command, *arguments],
                cwd=folder,
                env={**environment(SALT), **killer, **variables},
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def changes(self) -> int:
        """How often it changed a file so far."""
        return self._count.stat().st_size

    def told(self) -> str:
        """What it told so far."""
        return self._told.read_text("utf-8", "replace")

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so, or the run is over."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and not reached():
            assert time.monotonic() < end, self.told()
            time.sleep(0.005)

    def send(self, number: int) -> None:
        """Send a signal to the whole group, as a terminal does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def end(self) -> Ended:
        """Wait for its end; nothing of it may be left then."""
        try:
            self.process.wait(PATIENCE)
        finally:
            self.send(signal.SIGKILL)
        end = time.monotonic() + 10
        while survivors := self._processes():
            assert time.monotonic() < end, f"still at work: {survivors}"
            time.sleep(0.01)
        ended = Ended(self.process.returncode, self.told(), self.changes())
        shutil.rmtree(self._count.parent)
        return ended

    def _processes(self) -> list[int]:
        """The processes that work for it, whatever group they are in."""
        mark = f"KILLER_COUNT={self._count}\0".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in path.read_bytes():
                    found.append(int(path.parent.name))
        return found


def ended(folder: Path, *arguments: str, **options) -> Ended:
    """Run to the end, or to the moment at which it is killed."""
    return Running(folder, *arguments, **options).end()
