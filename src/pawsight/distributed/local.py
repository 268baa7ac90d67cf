"""The engine without a cluster: every missing part, one after the other, in this process, on all its cores.

Enters: a `Bundle`, a `Work`. Leaves: finished parts with their numbers. Does not know: Ray.
"""

from __future__ import annotations

from pawsight.classifier.bundle import Bundle
from pawsight.distributed.clerk import Clerk
from pawsight.distributed.work import PATHS, Parts, Work, read_shard


def parts_here(bundle: Bundle, work: Work) -> Parts:
    """Yield the missing parts in order."""
    import pyarrow.parquet as pq

    if not (missing := work.missing()):
        return
    clerk = Clerk(bundle, work.stamp)
    with pq.ParquetFile(work.folder / PATHS) as listing:
        for index in missing:
            yield index, clerk.part(index, read_shard(listing, index))
