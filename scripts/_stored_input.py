"""Objects in S3 as inputs of rules: known from the listing, so that nothing is asked about them.

Snakemake's plugin asks four times about each object whenever a run is planned, and again behind
each checkpoint, for thousands of days that have not changed.
"""

import functools
import logging
from typing import Any

import snakemake_storage_plugin_s3 as plugin
from _object_store import LOCAL


class StorageProvider(plugin.StorageProvider):
    """The plugin's provider without a connection."""

    def __post_init__(self) -> None:
        """Do not connect: what needs a connection is done in the job."""


class StorageObject(plugin.StorageObject):
    """An object of a day that was listed: it is there."""

    async def inventory(self, cache: Any) -> None:
        """Find out nothing: it is known."""

    def exists(self) -> bool:
        """It was listed."""
        return True

    def mtime(self) -> float:
        """Older than any result: that it changed is told by its ETags, a parameter of the rule."""
        return 0.0

    def size(self) -> int:
        """Nothing of it lies on disk."""
        return 0


@functools.cache
def provider() -> StorageProvider:
    """The one that all inputs share."""
    return StorageProvider(
        local_prefix=LOCAL,
        logger=logging.getLogger(__name__),
        settings=plugin.StorageProviderSettings(),
        retrieve=False,
    )
