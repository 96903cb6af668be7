"""A Slurm cluster of one node on 127.0.0.1, of Debian's packages, as long as a test needs it."""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
LONGEST_START = 60.0

CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
AccountingStorageType=accounting_storage/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# Without control groups a job that takes more memory than it asked for is killed by this.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
ReturnToService=2
KillWait=2
MinJobAge=3600
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# The node is as large as it says, whatever this machine has.
SlurmdParameters=config_overrides
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Job(NamedTuple):
    """A job as squeue shows it."""

    number: str
    name: str
    state: str
    comment: str
    memory: str


class Cluster:
    """A cluster that is up.

    Attributes:
        environment: What a process needs to find it.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def jobs(self) -> list[Job]:
        """All jobs since the cluster's start, in the order of their submission."""
        told = self.ask("squeue", "--states=all", "--noheader", "--format=%i|%j|%T|%k|%m")
        jobs = [Job(*line.split("|")) for line in told.splitlines()]
        return sorted(jobs, key=lambda job: int(job.number))

    def ask(self, *command: str) -> str:
        return subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Start a cluster whose files all lie in a folder, and stop it whatever happens."""
    programs = {name: found(name) for name in PROGRAMS}
    conf = write_configuration(folder)
    environment = {"SLURM_CONF": str(conf), "PATH": f"{shim(folder, conf)}:{os.environ['PATH']}"}
    cluster = Cluster(environment)
    daemons = {
        "munged": [
            *("--foreground", "--force", "--key-file", f"{folder}/munge.key"),
            *("--socket", f"{folder}/munge.socket", "--pid-file", f"{folder}/munged.pid"),
            *("--seed-file", f"{folder}/munge.seed", "--log-file", f"{folder}/munged.log"),
        ],
        "slurmctld": ["-D", "-f", str(conf)],
        "slurmd": ["-D", "-N", "localhost", "-f", str(conf)],
    }
    started = []
    try:
        for name, arguments in daemons.items():
            with (folder / f"{name}.out").open("wb") as out:
                daemon = subprocess.Popen(
                    [programs[name], *arguments],
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                )
            started.append(daemon)
            if name == "munged":
                wait_for(folder, (folder / "munge.socket").exists)
        wait_for(folder, lambda: "idle" in told(cluster, "sinfo", "--noheader", "--format=%T"))
        yield cluster
        cluster.ask("scancel", "--user", getpass.getuser())
        wait_for(folder, lambda: not told(cluster, "squeue", "--noheader").strip())
    finally:
        for daemon in reversed(started):
            daemon.terminate()
        for daemon in reversed(started):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def found(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert path, f"{name} is missing: .ci/packages installs what these tests need."
    return path


def write_configuration(folder: Path) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(folder=folder, user=getpass.getuser(), ports=free_ports(2)))
    return conf


def shim(folder: Path, conf: Path) -> Path:
    """A folder with an `srun` that finds the cluster.

    Snakemake's plugin takes `SLURM_CONF` from the environment of the `srun` inside of a job, which
    does no harm where the configuration is at its usual place.
    """
    path = folder / "bin"
    path.mkdir()
    srun = path / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF="{conf}" exec "{found("srun")}" "$@"\n')
    srun.chmod(0o755)
    return path


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def told(cluster: Cluster, *command: str) -> str:
    """What a command tells; nothing while it does not work."""
    try:
        return cluster.ask(*command)
    except subprocess.CalledProcessError:
        return ""


def wait_for(folder: Path, happened) -> None:
    until = time.monotonic() + LONGEST_START
    while not happened():
        if time.monotonic() > until:
            logs = [path.read_text(errors="replace") for path in folder.glob("*.log")]
            raise AssertionError("The cluster does not do what it shall:\n" + "\n".join(logs))
        time.sleep(0.2)
