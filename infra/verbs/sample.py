"""`sample plan | draw | list | verify`: which messages of a period a person reviews although
nothing flagged them, and that nobody chose them.

Owns what these say and their order: the seed is on record before the period, the draw is an event
after it, and each drawn message carries a mark that a search and a review find. What is drawn is
`search/policy/sampling.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from infra.carry import await_searchable, carry_if_idle, log_ends
from infra.replay import current
from infra.sampling import (
    FOLDER,
    PlanFile,
    Progress,
    Recorded,
    Records,
    Seeded,
    new_seed,
    next_period,
    read_archive,
    read_file,
    read_folder,
)
from infra.verbs.audit import acting, record_act
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, shown
from infra.wire import Wire
from schemas.errors import Missing, Refused
from search.policy import plans, sampling
from search.policy.flags import flag_event
from search.policy.plans import Period
from search.policy.sampling import Drawn, Heads, Sample

# Periods that `list` shows of each plan: those before, the one that lasts, the next.
_LISTED: Final = 6
_SET_BACK: Final = ("a {0} that was recorded later says that it was made earlier: a clock of "
                    "ours was set back")


def sample_plan(wire: Wire, name: str, *, json: bool, check: bool = False) -> int:
    """Put the seed of a plan's next period on record; done already, it says so. `check`: only
    whether the file reads."""
    file = _file(wire, name)
    zone = ZoneInfo(wire.config.search.zone)
    period = next_period(file, wire.clock(), zone)
    if check:
        return _say_plan(file, period, None, json=json, said="reads")
    _settle(wire)
    records = Records(wire, current(wire))
    seeded = records.seeded(file.plan.plan_id, period)
    said = "was on record already"
    if seeded is None:
        event = new_seed(wire, file, period, acting(wire))
        with closing(wire.capture_log()) as log:
            recorder = wire.recorder("search", log)
            recorder.record(event)
            # From here nobody can choose it: a later one for this period counts for nothing.
            recorder.beat(wire.clock(), wire.directory().firm_years(), stopping=True)
        _settle(wire)
        seeded, said = Records(wire, current(wire)).seeded(file.plan.plan_id, period), "on record"
    return _say_plan(file, period, seeded, json=json, said=said)


def sample_list(wire: Wire, *, json: bool) -> int:
    """Every plan, and of its last periods what is on record."""
    zone, now = ZoneInfo(wire.config.search.zone), wire.clock()
    records = Records(wire, current(wire))
    table = Table("plan", "period", "first day", "last day", "state", "messages", "drawn")
    files = {one.plan.plan_id: one for one in read_folder(wire)}
    recorded = records.recorded()
    for plan_id in sorted({*files, *(one.plan_id for one in recorded)}):
        file = files.get(plan_id)
        for period, days in _listed(plan_id, file, recorded, now, zone):
            line = _state(records, plan_id, file.plan.version if file else None, period, now)
            if json:
                emit(line)
            else:
                table.add_row(line["plan"], period.name, _day(period.since, days),
                              _day(period.until - 1, days), line["state"],
                              _number(line["messages"]), _number(line["drawn"]))
    if not json:
        OUT.print(table)
    return 0


def sample_draw(wire: Wire, name: str, period_name: str, *, json: bool) -> int:
    """Draw a period that has ended, once; drawn already, it says what was. Marks that a crash left
    out are put on."""
    _settle(wire)
    index = current(wire)
    records = Records(wire, index)
    seeded = _seeded(wire, records, name, period_name)
    seed, plan = seeded.seed, seeded.plan
    if wire.clock() < seed.until:
        raise Refused(f"{seeded.period.name} ends at {instant(seed.until)}: draw then")
    cursors = dict(index.state().cursors)
    event = records.drawn(plan.plan_id, seeded.period)
    is_new = event is None
    if event is None:
        with _shown() as progress:
            read = read_archive(wire, seeded, cursors, cursors, progress)
        drawn = sampling.sample(read.items, plan.plan(), seed)
        heads: Heads = tuple((*place, end) for place, end in sorted(cursors.items()))
        event = sampling.draw_event(plan.plan(), seed, drawn, heads, acting(wire), wire.clock(),
                                    wire.directory().firm_years())
    else:
        drawn, _ = sampling.read_draw(event)
    years = wire.directory().firm_years()
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("search", log)
        if is_new:
            recorder.record(event)
        # The draw is on record: a crash from here on leaves out marks, which a second `draw` and
        # `verify` find. A mark that is said twice is one.
        recorder.record_all([flag_event(
            sampling.mark(plan.plan(), plan.version, seed, one, seeded.period.name),
            event.captured_at, years) for one in drawn.drawn])
        recorder.beat(wire.clock(), years, stopping=True)
    _settle(wire)
    _say_drawn(wire, seeded, drawn, is_new=is_new, json=json)
    return 0


def sample_verify(wire: Wire, name: str, period_name: str, *, json: bool) -> int:
    """Draw again from seed and archive, and compare; exit 1 and every difference if there is one.
    """
    record_act(wire, "sample_verify", {"plan": name, "period": period_name})
    _settle(wire)
    index = current(wire)
    records = Records(wire, index)
    seeded = _seeded(wire, records, name, period_name)
    event = records.drawn(seeded.plan.plan_id, seeded.period)
    if event is None:
        raise Missing(f"{seeded.plan.plan_id} was not drawn for {seeded.period.name}: "
                      "`counterfoil sample draw` does that")
    claimed, heads = sampling.read_draw(event)
    with _shown() as progress:
        read = read_archive(wire, seeded, {(topic, partition): end
                                           for topic, partition, end in heads},
                            dict(index.state().cursors), progress)
    plan = seeded.plan.plan()
    problems = list(sampling.verify(claimed, read.items, plan, seeded.seed))
    if event.detail("plan") != plan.digest().hex():
        problems.append("the draw names another plan than the seed")
    own = {one.item.item_id: one for one in
           sampling.sample(read.items, plan, seeded.seed).drawn}
    id_of = wire.tokenizer().document
    if seeded.earlier:
        problems.append(_SET_BACK.format("seed"))
    if records.draws_earlier(seeded.plan.plan_id, seeded.period):
        problems.append(_SET_BACK.format("draw"))
    problems += [f"{id_of(one.item.item_id)} carries no mark: `counterfoil sample draw` puts it on"
                 for one in claimed.drawn if one.item.item_id not in read.marks]
    lines = [{**_item(one, id_of), "agrees": own.get(one.item.item_id) == one,
              "marked": one.item.item_id in read.marks} for one in claimed.drawn]
    _say_verified(seeded, claimed, lines, problems, later=read.later, json=json)
    return 1 if problems else 0


# --- helpers -------------------------------------------------------------------------------------


def _file(wire: Wire, name: str) -> PlanFile:
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return read_file(path, ZoneInfo(wire.config.search.zone))
    found = next((one for one in read_folder(wire) if one.plan.plan_id == name), None)
    if found is None:
        raise Missing(f"no plan is called {name}: put one into {wire.home / FOLDER}, see "
                      "`counterfoil sample list`")
    return found


def _seeded(wire: Wire, records: Records, name: str, period_name: str) -> Seeded:
    """The seed of a period by name, or of the last one that has ended. What is on record counts,
    whatever zone and folder say today; of several seeds for one period the first on the log."""
    recorded, now = records.recorded(), wire.clock()
    file: PlanFile | None = None
    try:
        file = _file(wire, name)
    except (Missing, Refused):
        if not any(one.plan_id == name for one in recorded):
            raise
    plan_id = file.plan.plan_id if file else name
    known = [one for one in recorded if one.plan_id == plan_id]
    wanted = period_name.strip().upper()
    if file is not None and not any(one.period.name == wanted for one in known):
        kind, zone = file.plan.period, ZoneInfo(wire.config.search.zone)
        period = (plans.period_named(kind, wanted, zone) if wanted
                  else plans.period_before(kind, plans.period_at(kind, now, zone), zone))
        wanted = period.name
    elif not wanted:
        # No file says how long a period is: the last one on record that has ended.
        wanted = max(((one.period.until, one.period.name) for one in known
                      if one.period.until <= now), default=(0, ""))[1]
    fitting = [one for one in known if one.period.name == wanted]
    found = records.seeded(plan_id, fitting[0].period) if fitting else None
    if found is None:
        raise Refused(
            f"no seed was put on record for {plan_id} before {wanted or 'any period'} began: "
            "this period cannot be drawn, nobody could show that it was not chosen. `counterfoil "
            f"sample plan {plan_id}` puts one on record for the next period, and so "
            f"does the indexer while it runs{_on_record(known)}")
    return replace(found, others=found.others + len(fitting) - 1)


def _on_record(known: Sequence[Recorded]) -> str:
    named = [f"{one.period.name} (zone {one.zone})" for one in known[-_LISTED:]]
    return f". Seeds are on record for {', '.join(named)}" if named else ""


def _settle(wire: Wire) -> None:
    """Everything that is on the log is found."""
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    await_searchable(wire, log_ends(wire))


def _listed(plan_id: str, file: PlanFile | None, recorded: Sequence[Recorded], now: int,
            zone: ZoneInfo) -> list[tuple[Period, ZoneInfo]]:
    """(period, the zone of its days): those on record as they were recorded."""
    found = {one.name: (one, zone) for one in _periods(file, now, zone)} if file else {}
    own: dict[str, tuple[Period, ZoneInfo]] = {}
    for one in recorded:
        if one.plan_id == plan_id:
            own.setdefault(one.period.name, (one.period, ZoneInfo(one.zone)))
    return sorted({**found, **own}.values(), key=lambda known: known[0].since)[-_LISTED:]


def _periods(file: PlanFile, now: int, zone: ZoneInfo) -> list[Period]:
    found = [next_period(file, now, zone)]
    while len(found) < _LISTED:
        before = plans.period_before(file.plan.period, found[-1], zone)
        if _day(before.since, zone) < file.plan.effective.isoformat():
            break
        found.append(before)
    return found[::-1]


def _state(records: Records, plan_id: str, version: int | None, period: Period,
           now: int) -> dict[str, Any]:
    seeded = records.seeded(plan_id, period)
    event = records.drawn(plan_id, period) if seeded else None
    drawn = sampling.read_draw(event)[0] if event else None
    if drawn is not None:
        state = "drawn"
    elif seeded is None:
        state = "to be seeded" if now < period.since else "without a seed"
    else:
        state = "to be drawn" if now >= period.until else "seeded"
    return {"plan": plan_id, "version": seeded.plan.version if seeded else version,
            "period": period.name, "from": instant(period.since), "until": instant(period.until),
            "state": state, "seeded_at": instant(seeded.at) if seeded else None,
            "messages": drawn.count if drawn else None,
            "drawn": len(drawn.drawn) if drawn else None}


def _say_plan(file: PlanFile, period: Period, seeded: Seeded | None, *, json: bool,
              said: str) -> int:
    plan = file.plan
    if json:
        emit({"plan": plan.plan_id, "version": plan.version, "file": file.path.name,
              "digest": plan.plan().digest().hex(), "period": period.name,
              "from": instant(period.since), "until": instant(period.until),
              "seeded_at": instant(seeded.at) if seeded else None,
              "seeded_with": seeded.plan.version if seeded else None})
        return 0
    OUT.print(good(f"{plan.plan_id} version {plan.version}: {said}"))
    if seeded is not None:
        OUT.print(f"the seed of {period.name} ({instant(period.since)} until "
                  f"{instant(period.until)}) was recorded at {instant(seeded.at)}")
        if seeded.plan.version != plan.version:
            OUT.print(bad(f"it is of version {seeded.plan.version}: that one is drawn by; version "
                          f"{plan.version} counts from the next period on"))
    else:
        OUT.print(f"its next period is {period.name}, from {instant(period.since)}")
    return 0


def _say_drawn(wire: Wire, seeded: Seeded, drawn: Sample, *, is_new: bool, json: bool) -> None:
    plan, id_of = seeded.plan, wire.tokenizer().document
    strata = Counter(one.item.stratum for one in drawn.drawn if one.why != sampling.MANDATORY)
    by_why = Counter(one.why for one in drawn.drawn)
    if json:
        emit({"plan": plan.plan_id, "version": plan.version, "period": seeded.period.name,
              "from": instant(seeded.seed.since), "until": instant(seeded.seed.until),
              "new": is_new, "messages": drawn.count, "population": drawn.population,
              "drawn": len(drawn.drawn), "by_stratum": dict(sorted(strata.items())),
              "by_reason": dict(sorted(by_why.items())), "query": _query(plan.plan_id),
              "items": [_item(one, id_of) for one in drawn.drawn]})
        return
    verb = "drawn" if is_new else "had been drawn already"
    OUT.print(good(f"{plan.plan_id}, {seeded.period.name}: {len(drawn.drawn)} of {drawn.count} "
                   f"messages {verb}"))
    table = Table("stratum", "share", "drawn, mandatory ones apart")
    for one, share in zip(plan.strata, plan.shares, strict=True):
        table.add_row(one.name, f"{share / 100:g} %", str(strata[one.name]))
    OUT.print(table)
    OUT.print(f"{by_why[sampling.MANDATORY]} are mandatory, {by_why[sampling.PERSON]} make up the "
              f"least of a person. Find them: counterfoil search {_query(plan.plan_id)}")


def _say_verified(seeded: Seeded, claimed: Sample, lines: Sequence[dict[str, Any]],
                  problems: Sequence[str], *, later: int, json: bool) -> None:
    name, period = seeded.plan.plan_id, seeded.period.name
    if json:
        for line in lines:
            emit(line)
        emit({"ok": not problems, "plan": name, "period": period, "messages": claimed.count,
              "drawn": len(claimed.drawn), "seeded_at": instant(seeded.at),
              "other_seeds": seeded.others, "later_messages": later, "problems": problems})
        return
    if problems:
        for one in problems:
            OUT.print(bad(one))
    else:
        OUT.print(good(f"{name}, {period}: all {len(claimed.drawn)} drawn of {claimed.count} "
                       "messages agree, item by item"))
    OUT.print(f"the seed was recorded at {instant(seeded.at)}, the period began at "
              f"{instant(seeded.seed.since)}")
    if seeded.others:
        OUT.print(f"{seeded.others} other seeds were recorded for this period; the first counts")
    if later:
        OUT.print(f"{later} messages of the period were archived after the draw, and are no part "
                  "of it")


def _item(one: Drawn, id_of: Callable[[bytes], str]) -> dict[str, Any]:
    return {"id": id_of(one.item.item_id), "key": one.item.item_id.hex(),
            "custodian": one.item.person or None, "stratum": one.item.stratum,
            "mandatory": one.item.mandatory or None, "why": one.why, "rank": one.rank,
            "place": one.place, "of": one.of}


def _query(plan_id: str) -> str:
    return f"flag:{sampling.mark_rule(plan_id)}"


def _day(at: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at / 1000, zone).date().isoformat()


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


@contextmanager
def _shown() -> Iterator[Progress]:
    with Bar(TextColumn("reading the archive"), BarColumn(), MofNCompleteColumn(),
             TextColumn("records,"), TimeRemainingColumn(), TextColumn("left"), console=ERR,
             transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
