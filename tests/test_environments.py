"""The environment files in envs/ agree with one another and with what the scripts import."""

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
ENVS = ROOT / "envs"
OPTIONAL = ["requirements-slurm", "requirements-s3", "requirements-rich"]
LOCKS = ["requirements", "requirements-dev", "requirements-cluster", *OPTIONAL]
PYTHONS = ["3.11", "3.12", "3.13"]
# Where a package and its module differ in name.
READ_S3 = {"_object_store.py", "_stored_input.py"}
PLUGIN_OF_S3 = {"snakemake_storage_plugin_s3", "botocore", "snakemake"}
IMPORTED_AS = {"pyyaml": "yaml", "vl-convert-python": "vl_convert"}


def read_requirements(path: Path) -> list[Requirement]:
    """What a .in file asks for, `-r` followed."""
    found = []
    for line in path.read_text().splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            found += read_requirements(path.parent / line.removeprefix("-r "))
        elif line and not line.startswith("-c "):
            found.append(Requirement(line))
    return found


def read_lock(path: Path) -> list[tuple[Requirement, list[str]]]:
    """Each pin of a lock with its hashes; a line of any other form is an error."""
    pins: list[tuple[Requirement, list[str]]] = []
    for line in path.read_text().splitlines():
        line = line.removesuffix("\\").strip()
        if not line or line.startswith("#"):
            continue
        if digest := re.fullmatch(r"--hash=sha256:([0-9a-f]{64})", line):
            pins[-1][1].append(digest[1])
        else:
            pins.append((Requirement(line), []))
    return pins


def pinned_versions(path: Path, python: str) -> dict[str, Version]:
    """The versions a lock gives Linux with this Python, by canonical name."""
    here = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    versions = {}
    for pin, _ in read_lock(path):
        if pin.marker is None or pin.marker.evaluate(here):
            name = canonicalize_name(pin.name)
            assert name not in versions, f"{path.name} pins {name} twice for Python {python}"
            versions[name] = Version(str(pin.specifier).removeprefix("=="))
    return versions


def read_conda_pins() -> dict[str, Version]:
    """The versions that envs/workflow.yaml gives the scripts, Python itself and pip apart."""
    dependencies = yaml.safe_load((ENVS / "workflow.yaml").read_text())["dependencies"]
    from_conda = [entry for entry in dependencies if isinstance(entry, str)]
    from_pip = [text for entry in dependencies if isinstance(entry, dict) for text in entry["pip"]]
    pins = [re.split("==?", text) for text in [*from_conda, *from_pip] if "=" in text]
    return {name: Version(version) for name, version in pins if name != "python"}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_everything_exactly_and_by_hash(lock: str):
    for pin, hashes in read_lock(ENVS / f"{lock}.txt"):
        assert re.fullmatch(r"==[^,*]+", str(pin.specifier)), f"{pin.name} has no exact version"
        assert hashes, f"{pin.name} has no hash"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_place(lock: str):
    text = (ENVS / f"{lock}.txt").read_text()
    for form in ["://", "--index", "--extra-index", "--find-links", "--trusted-host", " @ ", " /"]:
        assert form not in text, f"{lock}.txt holds {form!r}: resolve it again with `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_lock_gives_what_was_asked_for(lock: str, python: str):
    pinned = pinned_versions(ENVS / f"{lock}.txt", python)
    for asked in read_requirements(ENVS / f"{lock}.in"):
        version = pinned.get(canonicalize_name(asked.name))
        assert version is not None, f"{asked.name} is not in {lock}.txt: run `make lock`"
        assert version in asked.specifier, f"{lock}.txt has {asked.name} {version}, not {asked}"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS[1:])
def test_other_locks_only_add_to_the_runtime_lock(lock: str, python: str):
    runtime = pinned_versions(ENVS / "requirements.txt", python)
    assert runtime.items() <= pinned_versions(ENVS / f"{lock}.txt", python).items()


@pytest.mark.parametrize("python", PYTHONS)
def test_all_locks_fit_into_one_environment(python: str):
    found: dict[str, set[Version]] = {}
    for lock in LOCKS:
        for name, version in pinned_versions(ENVS / f"{lock}.txt", python).items():
            found.setdefault(name, set()).add(version)
    differing = sorted(name for name, versions in found.items() if len(versions) > 1)
    assert not differing, f"Python {python} would get two versions of {differing}"


def test_conda_environment_pins_what_the_lock_pins():
    pins = read_conda_pins()
    locked = pinned_versions(ENVS / "requirements.txt", "3.12")
    assert pins == {name: locked.get(name) for name in pins}


def test_conda_environment_holds_all_that_a_run_needs_beside_snakemake():
    asked = {canonicalize_name(each.name) for each in read_requirements(ENVS / "requirements.in")}
    assert read_conda_pins().keys() == asked - {"snakemake"}


def test_scripts_import_nothing_that_the_conda_environment_lacks():
    scripts = sorted((ROOT / "scripts").rglob("*.py"))
    allowed = {IMPORTED_AS.get(name, name) for name in read_conda_pins()}
    allowed |= sys.stdlib_module_names | {script.stem for script in scripts}
    for script in scripts:
        of_plugin = PLUGIN_OF_S3 if script.name in READ_S3 else set()
        for node in ast.walk(ast.parse(script.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            else:
                continue
            for module in modules:
                top = module.partition(".")[0]
                assert top in allowed | of_plugin, (
                    f"{script.name}:{node.lineno} imports {top}: add it to envs/"
                )
