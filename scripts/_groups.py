"""Groups of jobs that share a job of the cluster, of the size that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from snakemake.jobs import GroupJob, GroupJobFactory


def keep_sizes() -> None:
    """Have Snakemake form its groups from single jobs each time that it does.

    It does so anew whenever it has looked at the whole plan: twice before a run begins, and behind
    each checkpoint. Snakemake 9.27 remembers groups by the jobs that they began with; by then they
    hold those that were joined to them, so that groups are joined instead of jobs: `days: 2`
    gave groups of four.
    """
    GroupJobFactory.new = _fresh


def _fresh(_: GroupJobFactory, groupid: str, jobs: Iterable[Any], resources: Any) -> GroupJob:
    return GroupJob(groupid, frozenset(jobs), resources)
