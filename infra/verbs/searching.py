"""`search`, `show`, `rebuild`: what a supervisor asks, as tables for people and lines for machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from shlex import quote

from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from infra.shares import fill, workers_for
from infra.verbs.audit import operating
from infra.verbs.screen import ERR, OUT, bad, emit, short, shown, trial_banner
from infra.wire import Wire
from schemas import events
from schemas.events import Identity
from schemas.limits import PAGE_HITS_MAX
from search import machine
from search.explain import Step, line, summary
from search.flagged import FlagView
from search.follow import rebuild as rebuild_index
from search.results import HitView, SeenBy
from search.searcher import Searcher
from search.thread import MessageView, VersionView

_STATE_STYLE = {"retracted": "bold red", "edited": "yellow", "live": "green"}
_FILE_STYLE = {"stored": "green", "failed": "bold red", "pending": "yellow"}
_DID = {"retraction": "taken back ", "edit": "changed "}
_TOLD = {
    "provider_signed": "signed by the provider", "provider_fetched": "fetched from the provider",
    "device": "told by a device", "custodian_supplied": "supplied by the custodian",
    "own": "recorded by Counterfoil",
}


def search(wire: Wire, query: str, *, json: bool, limit: int, cursor: str | None) -> int:
    """The newest `limit` answers, from `cursor` on; page by page, each recorded as a look."""
    who = operating(wire)
    _say_if_unindexed(wire)
    found: list[HitView] = []
    total: int | None = None
    unread = 0
    for left in range(limit, 0, -PAGE_HITS_MAX):
        with _reading(wire) as searcher:
            answer = searcher.search(query, who, min(left, PAGE_HITS_MAX), cursor)
        total, cursor = answer.total if total is None else total, answer.next
        unread = max(unread, answer.unread)
        if json:
            for hit in answer.hits:
                emit(machine.hit(hit))
        else:
            found += answer.hits
        if cursor is None:
            break
    if unread:
        ERR.print(bad(f"{unread} texts had to be read for this and cannot be: no word is found in "
                      "them; `counterfoil verify` says why"), soft_wrap=True)
    if json:
        if cursor:
            ERR.print(f"more: --cursor {cursor}", soft_wrap=True)
        return 0
    trial_banner(wire.config.retention.trial)
    OUT.print(_answers(found, f"{len(found)} of {total} for {shown(query)}") if found
              else f"nothing found for {shown(query)}")
    if cursor:
        OUT.print(f"more: counterfoil search {quote(shown(query))} --cursor {cursor}",
                  soft_wrap=True)
    return 0


@contextmanager
def _reading(wire: Wire) -> Iterator[Searcher]:
    """A searcher that shows on a terminal how far it is, where texts have to be read."""
    columns = (SpinnerColumn(), TextColumn("reading the messages that may match"), BarColumn(),
               MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        tasks: list[TaskID] = []

        def told(done: int, of: int) -> None:
            if not tasks:
                tasks.append(progress.add_task("reading"))
            progress.update(tasks[0], completed=done, total=of)

        yield wire.searcher(told)


def _answers(found: Iterable[HitView], title: str) -> Table:
    table = Table("when (UTC)", "who", "state", "text and id", show_lines=True, title=title)
    for column, width in zip(table.columns, (10, 14, 10), strict=False):
        column.max_width = width  # so that an id stays whole on 80 columns and can be copied
    table.columns[3].min_width = 32
    for column in table.columns:
        column.overflow = "fold"  # a text or a number without spaces is not cut
    for hit in found:
        # A column of its own for every fact leaves none of them room on a narrow screen.
        table.add_row(f"{_moment(hit)}\n{_channel(hit)}", _name(hit.actor), _state(hit),
                      _answer(hit))
    return table


def _say_if_unindexed(wire: Wire) -> None:
    """An index that is not there answers nothing, which is not what the archive says."""
    if wire.indexes().current() is None and wire.reader().partitions():
        ERR.print(bad("the index is not there, so nothing that is archived is found: run "
                      "`counterfoil rebuild`"), soft_wrap=True)


def explain(wire: Wire, query: str, *, json: bool) -> int:
    """How a query is understood, and what each part of it finds."""
    with _reading(wire) as searcher:
        found = searcher.explain(query, operating(wire))
    if json:
        emit(machine.explanation(found))
        return 0
    trial_banner(wire.config.retention.trial)
    drawn = Tree(Text(summary(found), style="bold"))
    _draw(drawn, found.root)
    OUT.print(drawn)
    return 0


def _draw(above: Tree, step: Step) -> None:
    branch = above.add(Text(shown(line(step))))
    for one in step.steps:
        _draw(branch, one)


def show(wire: Wire, message: str, *, json: bool, around: int) -> int:
    """Everything known of one message."""
    _say_if_unindexed(wire)
    view = wire.searcher().view(message, operating(wire), around)
    if json:
        emit(machine.message(view))
        return 0
    trial_banner(wire.config.retention.trial)
    print_message(view)
    return 0


def print_message(view: MessageView) -> None:
    """One message on a screen."""
    hit = view.hit
    OUT.print(Text.assemble(
        (f"{hit.channel} {hit.kind}", "bold"), f"  {hit.doc_id}\n", _state(hit),
        f"  {_name(hit.actor)}  {_moment(hit)}{'' if _is_local(hit) else ' UTC'}{_whose(hit)}"))
    table = Table("", "what", "when (UTC)", "who", "text", "how it is known", show_lines=True,
                  title=f"{len(view.versions)} versions: none was ever removed")
    table.columns[4].overflow = "fold"
    for number, one in enumerate(view.versions, 1):
        table.add_row(str(number), one.kind, _when(one), _name(one.actor),
                      _version_text(one), _known(one))
        for sighting in one.sightings:
            if sighting.differs:
                table.add_row("", bad("captured once more, and it differs"),
                              f"{short(sighting.captured_at)}\n(captured)", "",
                              shown(sighting.text) or "[no text]",
                              f"offset {sighting.offset}.{sighting.index}")
    OUT.print(table)
    if view.files:
        OUT.print(_files(view))
    if view.flags:
        OUT.print(_flags(view))
    for related in view.related:
        if related.kind == events.DERIVED and related.subkind in _FILE_STYLE:
            continue  # what became of the files: said above
        OUT.print(f"  {related.kind} {related.subkind} {shown(related.text)} "
                  f"{_name(related.actor)} {short(related.occurred_at or related.captured_at)}")
    if hit.seen_by:
        _print_seen_by(hit.seen_by)
    places = Table("version", "segment", "offset", "locked until (UTC)", title="where it lies")
    places.columns[1].overflow = "fold"  # the whole name: it is what a court asks for
    for number, one in enumerate(view.versions, 1):
        for sighting in one.sightings:
            places.add_row(str(number), sighting.segment, f"{sighting.offset}.{sighting.index}",
                           short(sighting.retain_until))
    OUT.print(places)
    lines = [Text.assemble(
        ("> " if line.is_this else "  ", "bold"),
        f"{_moment(line.hit)}  {_name(line.hit.actor)}: ",
        _text(line.hit.text, (), line.hit), "  ", _state(line.hit)) for line in view.conversation]
    OUT.print(Panel(Text("\n").join(lines), title="the conversation around it"))


def _files(view: MessageView) -> Table:
    table = Table("file", "version", "name", "type", "bytes", "state",
                  title=f"counterfoil attachment {view.hit.doc_id} N --out FILE")
    table.columns[2].overflow = "fold"
    for one in view.files:
        said = one.state if one.reason is None else f"{one.state}: {shown(one.reason)}"
        table.add_row(
            str(one.number), str(one.version or "-"), shown(one.name) or "-",
            shown(one.media_type) or "-", "-" if one.size is None else str(one.size),
            Text(said, style=_FILE_STYLE.get(one.state, "")))
    return table


def _flags(view: MessageView) -> Table:
    table = Table("rule", "severity", "why, and where", "found (UTC)", title="why it is flagged",
                  show_lines=True)
    for column in table.columns:
        column.overflow = "fold"
    for one in view.flags:
        rule = f"{shown(one.rule)}\nof {shown(one.policy)}, version {one.version}"
        severity = one.severity + ("\nmandatory" if one.mandatory else "")
        table.add_row(rule, severity, "\n".join(_grounds(one, view.versions)),
                      short(one.flagged_at))
    return table


def _grounds(one: FlagView, versions: Sequence[VersionView]) -> Iterator[str]:
    """The reason, the words of each version that it points at, and what lies elsewhere."""
    yield shown(one.reason) + ("" if one.score is None else f" ({one.score} points)")
    for place in one.places:
        text = versions[place.row - 1].text or ""
        words = "; ".join(f"{start}-{end} {shown(text[start:end])}" for start, end in place.ranges)
        yield f"version {place.row}: {words or 'as a whole'}"
    if one.elsewhere:
        yield f"and {one.elsewhere} more in other messages, or not listed"


def _whose(hit: HitView) -> str:
    if not hit.custodian:
        return ""
    return f"\n{shown(hit.custodian)}'s" + (" (assigned afterwards)" if hit.assigned else "")


def rebuild(wire: Wire, *, json: bool, workers: int | None) -> int:
    """A new index from the archive alone. `workers`: processes; null = one a core."""
    count = workers_for(wire, workers)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json) as progress:
        progress.add_task(f"reading the archive, {count} at a time", total=None)
        name = rebuild_index(wire.reader(), wire.indexes(), wire.projector(), fill(wire, count))
    if json:
        emit({"index": name})
    else:
        OUT.print(f"index {name} is in force")
    return 0


def _answer(hit: HitView) -> Text:
    """The text as it is now; where the words stand in another version only, that one too."""
    out = _text(hit.text, hit.highlights, hit)
    if hit.earlier_text is not None:
        out = Text.assemble(out, ("\nin another version: ", "italic"),
                            _text(hit.earlier_text, hit.earlier_highlights, hit))
    if hit.copies:
        out = Text.assemble(out, (f"\n+{len(hit.copies)} copies at other accounts: "
                                  + "; ".join(map(_seen, hit.seen_by)), "italic"))
    return Text.assemble(out, ("\n" + hit.doc_id, "dim"))


def _seen(one: SeenBy) -> str:
    """One copy in a few words."""
    whose = shown(one.custodian) or shown(one.account) or "nobody's"
    if one.text == "no_copy":
        return f"{whose} has no copy"
    told = {"same": "", "differs": ", another text", "absent": ", without the text"}[one.text]
    if one.before_retraction is not None:
        told += (", had the text before it was taken back" if one.before_retraction else
                 ", had no text before it was taken back")
    return f"{whose} {one.state or ''}{told}{f' ({shown(one.problem)})' if one.problem else ''}"


def _print_seen_by(seen: Sequence[SeenBy]) -> None:
    table = Table("copy", "whose", "state", "text", "text captured (UTC)", "retraction (UTC)",
                  "had it before", title="every custodian's copy, each under its own key")
    # A date on one line, on 80 columns.
    for column, width in zip(table.columns, (4, 9, 9, 9, 10, 10, 6), strict=True):
        column.overflow, column.max_width = "fold", width
    words: dict[str, str | Text] = {
        "same": "the same", "differs": bad("differs"), "absent": bad("never had one"),
        "no_copy": bad("no copy")}
    for number, one in enumerate(seen, 1):
        had: dict[bool | None, str | Text] = {True: "yes", False: bad("no"), None: "-"}
        before = had[one.before_retraction]
        table.add_row(
            str(number), f"{shown(one.custodian) or '-'}\n{shown(one.account)}", one.state or "-",
            words[one.text], short(one.text_at), short(one.retraction_at), before)
    OUT.print(table)
    for number, one in enumerate(seen, 1):  # beside them an id would have no room
        if one.doc_id or one.problem:
            OUT.print(f"  copy {number}: {one.doc_id} {shown(one.problem)}".rstrip(),
                      soft_wrap=True)


def _name(actor: Identity | None) -> str:
    if actor is None:
        return "-"
    name = shown(actor.display_name)
    return f"{name} ({shown(actor.native_id)})" if name else shown(actor.native_id)


def _channel(hit: HitView) -> str:
    arrow = {"in": " in", "out": " out"}.get(hit.direction or "", "")
    return f"{hit.channel}{arrow}"


def _state(hit: HitView) -> Text:
    state = hit.state or hit.kind
    versions = f" ({hit.version_count} versions)" if hit.version_count > 1 else ""
    return Text(state + versions, style=_STATE_STYLE.get(state, ""))


def _text(text: str | None, marks: tuple[tuple[int, int], ...], hit: HitView) -> Text:
    if text is None:
        reason = hit.problem or {"absent_by_source": "the source did not deliver the text",
                                 "undecryptable": "not decryptable"}.get(hit.content_state, "")
        return Text(f"[{reason or hit.subkind or 'no text'}]", style="italic dim")
    out, at = Text(), 0
    for start, end in marks:
        out.append(shown(text[at:start]))
        out.append(shown(text[start:end]), style="bold black on yellow")
        at = end
    out.append(shown(text[at:]))
    return out


def _version_text(one: VersionView) -> Text:
    if one.text is not None:
        return Text(shown(one.text))
    if one.kind == "retraction" and not one.problem:
        return Text("[withdrawn]", style="italic red")
    reason = one.problem or {
        "absent_by_source": "the source did not deliver the text"}.get(one.content_state, "")
    return Text(f"[{reason or 'no text'}]", style="italic dim")


def _when(one: VersionView) -> str:
    if one.occurred_at is not None:
        return short(one.occurred_at)
    if one.occurred_local:
        return f"{_local(one.occurred_local)}\n(local, zone unknown)"
    if one.occurred_not_before is not None:
        did = _DID.get(one.kind, "")
        return f"{did}between\n{short(one.occurred_not_before)}\nand {short(one.captured_at)}"
    return f"{short(one.captured_at)}\n(received; the source gave no time)"


def _moment(hit: HitView) -> str:
    """When it was, in a list; UTC but for `_is_local`."""
    if hit.occurred_at is not None:
        return short(hit.occurred_at)
    if hit.occurred_local:
        return f"{_local(hit.occurred_local)} (local, zone unknown)"
    if hit.occurred_not_before is not None:
        return f"{short(hit.occurred_not_before)} or later"
    return short(hit.captured_at)


def _is_local(hit: HitView) -> bool:
    return hit.occurred_at is None and bool(hit.occurred_local)


def _local(said: str) -> str:
    return shown(said.replace("T", " ", 1))


def _known(one: VersionView) -> str:
    known = _TOLD.get(one.provenance, one.provenance)
    if one.target_known == "absent":
        known += "\nthe source did not say which message"
    elif one.target_known:
        known += f"\ntarget {one.target_known}"
    return known
