"""Facets as Elasticsearch counts them: aggregations of the plain core.

Owns the requests and how their answers read; what is counted, and how counts are ranked, is
`search/facets.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.errors import Refused
from search import facets

# Values of one facet that a shard counts out. Within it, counts of several shards add up exactly.
_SHARD_VALUES_MAX: Final = 200_000


def aggregation(field: str, top: int, zone: tzinfo) -> dict[str, Any]:
    """What a request asks for, to count a field's values."""
    if field == facets.MONTH:
        return {"date_histogram": {
            "field": facets.FIELDS[field], "calendar_interval": "month",
            "time_zone": _zone_name(zone), "min_doc_count": 1}}
    return {"terms": {
        "field": facets.FIELDS[field], "size": top, "shard_size": _SHARD_VALUES_MAX,
        "order": [{"_count": "desc"}, {"_key": "asc"}]}}


def ranked(field: str, answer: Mapping[str, Any], top: int, zone: tzinfo,
           ) -> tuple[tuple[str, int], ...]:
    """The counts of an answer. Raises Refused where they may not be exact."""
    if answer.get("doc_count_error_upper_bound"):
        raise Refused(f"a shard of the index has more than {_SHARD_VALUES_MAX:,} values of "
                      f"{field} among the answers: narrow the query")
    counts: Counter[str] = Counter()
    for bucket in answer["buckets"]:
        value = facets.month(bucket["key"], zone) if field == facets.MONTH else bucket["key"]
        counts[value] += bucket["doc_count"]
    return facets.ranked(field, counts, top)


def _zone_name(zone: tzinfo) -> str:
    """As the server knows it: a name of the tz database, or an offset from UTC."""
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    offset = zone.utcoffset(None)
    if offset is None:
        raise ValueError("a zone without a name")
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
