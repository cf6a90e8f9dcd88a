"""What waits for a reviewer, and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

review_app = typer.Typer(no_args_is_help=True, help="What waits for a reviewer, and reports.")

Item = Annotated[str, typer.Argument(metavar="ID", help="The id that the queue printed.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words. Do not quote the message.")]
Month = Annotated[str, typer.Argument(metavar="MONTH", help="2026-11, in the firm's zone.")]


@review_app.command("queue")
def review_queue(
    context: typer.Context,
    status: Annotated[str, typer.Option(
        help="open, escalated, second, closed or all; without it what waits.")] = "",
    severity: Annotated[str, typer.Option(help="low, medium or high.")] = "",
    level: Annotated[int, typer.Option(min=0, max=3, help="1 to 3; 0 = any.")] = 0,
    rule: Annotated[str, typer.Option(help="The id of a rule.")] = "",
    assigned: Annotated[str, typer.Option(help="A person's id, or nobody.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what is past its hours.")] = (
        False),
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="So many rows.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    json: Json = False,
) -> None:
    """What waits for a reviewer, the gravest first."""
    from infra.verbs.review import Wanted
    from infra.verbs.review import queue as verb

    raise typer.Exit(verb(wire_of(context), Wanted(status, severity, level, rule, assigned, overdue,
                                                 limit, cursor), json=json))


@review_app.command("show")
def review_show(context: typer.Context, message: Item, json: Json = False) -> None:
    """One item: its flags, what was decided, what is wanted. Opening it changes nothing."""
    from infra.verbs.review import show as verb

    raise typer.Exit(verb(wire_of(context), message, json=json))


@review_app.command("decide")
def review_decide(
    context: typer.Context,
    message: Item,
    decision: Annotated[str, typer.Argument(help="clear, false_positive, escalate or breach.")],
    reason: Reason = "",
    note: Annotated[str, typer.Option(help="Words for the next reader.")] = "",
    level: Annotated[int | None, typer.Option(
        min=2, max=3, help="Where an escalation goes; without it one level up.")] = None,
    seen: Annotated[str, typer.Option(
        help="The `basis` that show printed: refused if the item has changed since.")] = "",
    key: Annotated[str, typer.Option(
        help="Sent twice with one key it is one decision, for programs that try again.")] = "",
    json: Json = False,
) -> None:
    """Decide on an item, as the operator; recorded first."""
    from infra.verbs.review import act as verb
    from search.review.views import Form

    raise typer.Exit(verb(wire_of(context), message, Form(
        "decide", decision, reason, note, level, key=key, basis=seen), json=json))


@review_app.command("confirm")
def review_confirm(
    context: typer.Context,
    message: Item,
    reason: Reason = "",
    objects: Annotated[bool, typer.Option(
        "--object", help="Not agreed: it goes up a level, with the reason.")] = False,
    json: Json = False,
) -> None:
    """The second person's word on a decision of high severity."""
    from infra.verbs.review import act as verb
    from search.review.views import Form

    raise typer.Exit(verb(wire_of(context), message, Form(
        "object" if objects else "confirm", reason=reason), json=json))


@review_app.command("assign")
def review_assign(
    context: typer.Context,
    message: Item,
    to: Annotated[str, typer.Argument(help="A person of access.toml; without it nobody.")] = "",
    json: Json = False,
) -> None:
    """Give an item to a reviewer."""
    from infra.verbs.review import act as verb
    from search.review.views import Form

    raise typer.Exit(verb(wire_of(context), message, Form("assign", to=to), json=json))


@review_app.command("reopen")
def review_reopen(
    context: typer.Context,
    message: Item,
    reason: Reason,
    json: Json = False,
) -> None:
    """A closed item again, or a message that nothing flagged."""
    from infra.verbs.review import act as verb
    from search.review.views import Form

    raise typer.Exit(verb(wire_of(context), message, Form("reopen", reason=reason), json=json))


@review_app.command("note")
def review_note(
    context: typer.Context,
    message: Item,
    words: Annotated[str, typer.Argument(help="For the next reader. Do not quote the message.")],
    json: Json = False,
) -> None:
    """Words for the next reader of an item."""
    from infra.verbs.review import act as verb
    from search.review.views import Form

    raise typer.Exit(verb(wire_of(context), message, Form("note", note=words), json=json))


@review_app.command("report")
def review_report(
    context: typer.Context,
    month: Annotated[str, typer.Argument(help="2026-11, in the firm's zone.")],
    out: Annotated[Path | None, typer.Option(
        help="Write the signed accountability report: the reviewers too.")] = None,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Every item of a month with who, what, when and action; sums that add up; what is open."""
    from infra.verbs.review import report as verb

    raise typer.Exit(verb(wire_of(context), month, out, json=json, force=force))


@review_app.command("narrow")
def review_narrow(context: typer.Context, json: Json = False) -> None:
    """Words of rules that mostly hit what is nothing. Proposals: nothing changes by itself."""
    from infra.verbs.review import narrow as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@review_app.command("seed")
def review_seed(context: typer.Context, month: Month, json: Json = False) -> None:
    """Before a month begins: the seed that its check of cleared items is drawn with."""
    from infra.verbs.review import seed as verb

    raise typer.Exit(verb(wire_of(context), month, json=json))


@review_app.command("recheck")
def review_recheck(context: typer.Context, month: Month, json: Json = False) -> None:
    """When a month is over: draw from what was cleared, to be checked by somebody else."""
    from infra.verbs.review import recheck as verb

    raise typer.Exit(verb(wire_of(context), month, json=json))


@review_app.command("verify-report")
def review_verify_report(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `review report --out` wrote.")],
    json: Json = False,
) -> None:
    """Whether a report is what this firm's key signed; exit 1 if not."""
    from infra.verbs.review import verify_report as verb

    raise typer.Exit(verb(wire_of(context, provision=False), file, json=json))
