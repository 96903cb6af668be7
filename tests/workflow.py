"""Run the workflow as its users do, and look at what it made.

python tests/workflow.py golden     writes tests/golden anew, from the bundled example
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import oracle
import yaml

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "tests/example"
GOLDEN = ROOT / "tests/golden"
SHIPPED_CONFIG = ROOT / "config/config.yaml"
SECRETS = ("IP_HASH_SALT", "IPINFO_CREDENTIALS", "OPENCAGE_API_KEY")

Run = subprocess.CompletedProcess[str]
Tree = dict[str, bytes]

# --- Runs ----------------------------------------------------------------------------------------


def run(
    directory: Path,
    *arguments: str,
    config: Mapping[str, Any] | Path | None = None,
    salt: str | None = None,
    fails: bool = False,
    timeout: float = 300,
) -> Run:
    """Run Snakemake in a directory, with no secret but the salt that is given.

    Args:
        directory: The working directory; made if it is not there.
        arguments: Targets and options.
        config: The configuration or its file; None for the one that is found there, or the shipped.
        salt: For `IP_HASH_SALT`; None for none.
        fails: Whether the run shall fail. The test ends with what the run said if it does not do
            what it shall.
        timeout: Seconds after which it is stopped.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if config is not None and not isinstance(config, Path):
        config = write_yaml(directory / "config.yaml", config)
    files = [] if config is None else ["--configfile", str(config.resolve())]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(directory), "--cores", "2", *arguments, *files),
        ],
        cwd=directory,
        env=environment(salt),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (result.returncode != 0) == fails, output_of(result)
    return result


def environment(salt: str | None) -> dict[str, str]:
    """The environment of a run: this one, without its secrets."""
    plain = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return plain if salt is None else {**plain, "IP_HASH_SALT": salt}


def write_yaml(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return path


def output_of(result: Run) -> str:
    """All that a run told the terminal."""
    return result.stdout + result.stderr


def jobs_of(result: Run) -> Counter[str]:
    """How many jobs of each rule a run started, or a dry run planned."""
    header = r"^(?:local)?(?:rule|checkpoint) (\w+):$"
    return Counter(re.findall(header, output_of(result), re.MULTILINE))


def logs_of(result: Run) -> list[str]:
    """The log files of the jobs that a run started, as they are named to the user."""
    return re.findall(r"^ {4}log: (.+?)(?: \(.*\))?$", output_of(result), re.MULTILINE)


def finds_nothing_to_do(directory: Path, **options: Any) -> bool:
    """Whether a dry run has no job to plan."""
    result = run(directory, "--dry-run", **options)
    return not jobs_of(result) and "Nothing to be done" in output_of(result)


# --- What runs make ------------------------------------------------------------------------------

OF_THE_RUN = ("logs", "benchmarks")
"""Folders of the results whose files tell of a run, not of the archive."""
PRIVATE = ("reduced", "binned", "lookup")
"""Folders of the results that may hold addresses."""


def tree(folder: Path) -> Tree:
    """Relative path -> content of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def below(files: Mapping[str, bytes], *folders: str) -> Tree:
    """Those files of a tree that lie in one of some folders at its top."""
    return {path: data for path, data in files.items() if path.split("/")[0] in folders}


def results(directory: Path) -> Tree:
    """All that a run made of the archive, also what nobody should have left there."""
    files = tree(directory / "results")
    tops = {path.split("/")[0] for path in files} - {*OF_THE_RUN, ".lock"}
    return below(files, *tops)


def differences(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """The files that two trees do not have in common."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


HIDDEN = b"hidden"


def unlike(made: Mapping[str, bytes], foretold: Mapping[str, bytes]) -> list[str]:
    """The files that differ from what the oracle foretells.

    It does not know which counts are hidden: a published one may be, if it is not small.
    """
    return [
        path
        for path in differences(made, foretold)
        if not path.startswith("published/")
        or path not in made
        or path not in foretold
        or not same_but_hidden(made[path], foretold[path])
    ]


def same_but_hidden(made: bytes, foretold: bytes) -> bool:
    """Whether two published files are the same, but for counts that one hides."""
    ours, theirs = (re.split(rb"[\t\n, ]", data) for data in (made, foretold))
    return len(ours) == len(theirs) and all(
        our == their or (our.strip(b'"') == HIDDEN and their.isdigit())
        for our, their in zip(ours, theirs, strict=True)
    )


def copy(directory: Path, to: Path) -> Path:
    """A working directory as a run left it: with all times, and what Snakemake remembers."""
    subprocess.run(["cp", "-a", f"{directory}/.", str(to)], check=True)
    return to


# --- What they should make -----------------------------------------------------------------------


def cloud_countries() -> dict[str, str]:
    """The country of each cloud region, as the repository's table says."""
    rows = (ROOT / "resources/cloud_regions.tsv").read_text("utf-8").splitlines()[1:]
    fields = [row.split("\t") for row in rows]
    return {f"{provider}/{region}": country for provider, region, _, country, *_ in fields}


def foretold(config: Mapping[str, Any], directory: Path = ROOT) -> Tree:
    """What the oracle says of a configuration whose relative paths start in a directory."""
    with contextlib.chdir(directory):
        return oracle.expected(config, cloud_countries())


def foretellable(files: Mapping[str, bytes]) -> Tree:
    """Those files of the results that the oracle foretells."""
    return {
        path: data
        for path, data in below(files, "mapped", "published").items()
        if not path.endswith(("/region_codes_to_coordinates.yaml", "/provenance.json"))
        and not re.search(r"^mapped/.*(_by_asset_type_per_week\.tsv|/dandiset_totals\.json)$", path)
    }


# --- The golden tree -----------------------------------------------------------------------------


def golden() -> None:
    """Write `tests/golden` anew: what a run on the bundled example shall make."""
    with tempfile.TemporaryDirectory() as scratch:
        run(Path(scratch))
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name in ("mapped", "published"):
            shutil.copytree(
                Path(scratch) / "results" / name,
                GOLDEN / name,
                # It names the commit, which is not known before the tree is committed.
                ignore=shutil.ignore_patterns("provenance.json"),
            )


if __name__ == "__main__":
    if sys.argv[1:] != ["golden"]:
        sys.exit(__doc__)
    golden()
