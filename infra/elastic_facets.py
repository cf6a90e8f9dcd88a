"""Facets as Elasticsearch counts them: aggregations of the plain core.

Owns the requests and how their answers read; what is counted, and how counts are ranked, is
`search/facets.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from infra import elastic_question
from schemas.errors import Refused
from search import candidates, facets
from search.facets import Counted, Part
from search.query import Between

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


def aggregations(parts: Sequence[Part], zone: tzinfo) -> dict[str, Any]:
    """What a request asks for, to count parts of its answer. Spans of time that want the same
    facets are one aggregation: the days of a month are counted in one pass, not in thirty."""
    asked: dict[str, Any] = {}
    for place, (name, part) in enumerate(zip(_names(parts), parts, strict=True)):
        inner = {"aggs": {one: aggregation(one, part.top, zone) for one in part.fields}}
        if _is_span(part):
            assert isinstance(part.where, Between)
            made = asked.setdefault(name, {"date_range": {
                "field": "sort_at", "keyed": True, "ranges": []}, **inner})
            bounds = {"from": part.where.since, "to": part.where.until}
            made["date_range"]["ranges"].append({"key": str(place), **{
                end: at for end, at in bounds.items() if at is not None}})
        else:
            asked[name] = {"filter": elastic_question.translated(
                candidates.reduced(part.where)), **inner}
    return asked


def counted(parts: Sequence[Part], answer: Mapping[str, Any], zone: tzinfo) -> tuple[Counted, ...]:
    """The counts of an answer. Raises Refused where they may not be exact."""
    out = []
    for place, (name, part) in enumerate(zip(_names(parts), parts, strict=True)):
        found = answer[name]
        if _is_span(part):
            found = found["buckets"][str(place)]
        out.append(Counted(found["doc_count"], {
            one: ranked(one, found[one], part.top, zone) for one in part.fields}))
    return tuple(out)


def _is_span(part: Part) -> bool:
    return isinstance(part.where, Between) and part.where != Between(None, None)


def _names(parts: Sequence[Part]) -> list[str]:
    """The aggregation that each part is counted by."""
    spans: dict[tuple[tuple[str, ...], int], str] = {}
    return [spans.setdefault((part.fields, part.top), f"spans-{len(spans)}")
            if _is_span(part) else f"part-{place}"
            for place, part in enumerate(parts)]


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
