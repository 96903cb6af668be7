"""Groups of jobs that share a job of the cluster, of the size that is asked for.

Snakemake forms its groups anew whenever it has looked at the whole plan: twice before a run begins, and
behind each checkpoint. Snakemake 9.27 remembers groups by the jobs that they began with; by then they
hold those that were joined to them, so that groups are joined instead of jobs: `days: 2` gave groups of
four.
"""

from collections.abc import Iterable
from typing import Any

from snakemake.jobs import GroupJob, GroupJobFactory


def fresh_group(_: GroupJobFactory, groupid: str, jobs: Iterable[Any], resources: Any) -> GroupJob:
    """A group of these jobs, whether there was one of them before or not."""
    return GroupJob(groupid, frozenset(jobs), resources)


GroupJobFactory.new = fresh_group
