"""The command line: every verb, its options and its help. What a verb does is in `infra/verbs/`.

Owns argument names (stable, docs/interface/) and exit codes: 0 done, 1 findings or an alarm,
2 a query or argument that cannot be read, otherwise the code of the error (`schemas/errors.py`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.wire import Wire
from schemas.errors import CounterfoilError, QueryError
from schemas.limits import SEARCH_ROWS_MAX

# As a shell names what Ctrl-C ended.
_INTERRUPTED = 130

app = typer.Typer(
    name="counterfoil", no_args_is_help=True, add_completion=True, rich_markup_mode="rich",
    pretty_exceptions_show_locals=False, pretty_exceptions_enable=False,
    help="Captures client messages, edits and retractions included; seals, archives, searches "
         "and proves them. The data folder is $COUNTERFOIL_HOME, by default ./counterfoil-data.")
keys_app = typer.Typer(no_args_is_help=True, help="Back up, restore and check the keys.")
stack_app = typer.Typer(no_args_is_help=True, help="Real Kafka, S3 and Elasticsearch on loopback.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Input that could not be read.")
rejected_app = typer.Typer(no_args_is_help=True, help="Requests that failed authentication.")
spool_app = typer.Typer(no_args_is_help=True, help="Records that wait for the log.")
directory_app = typer.Typer(no_args_is_help=True, help="Who is who: the file directory.toml.")
policy_app = typer.Typer(no_args_is_help=True, help="What flags messages: policies/*.toml.")
account_app = typer.Typer(no_args_is_help=True, help="How people sign in to the console.")
token_app = typer.Typer(no_args_is_help=True, help="How programs sign in to the console's API.")
sample_app = typer.Typer(no_args_is_help=True, help=(
    "What is reviewed although nothing flagged it: sampling/*.toml."))
review_app = typer.Typer(no_args_is_help=True, help="What waits for a reviewer, and reports.")
ledger_app = typer.Typer(no_args_is_help=True, help="What importers remember of each chat.")
hold_app = typer.Typer(no_args_is_help=True, help="Legal holds: what may not end, and why.")
disposition_app = typer.Typer(no_args_is_help=True, help=(
    "What is due is listed, approved by a second person, and destroyed."))
person_app = typer.Typer(no_args_is_help=True, help=(
    "What is held about a person, their request to erase it, and a copy for them."))
retention_app = typer.Typer(no_args_is_help=True, help="When what is kept ends.")
log_app = typer.Typer(no_args_is_help=True, help="The transparency log over the archive.")
access_app = typer.Typer(no_args_is_help=True, help="Who may see what: the file access.toml.")
for _name, _sub in (("keys", keys_app), ("stack", stack_app), ("quarantine", quarantine_app),
                    ("rejected", rejected_app), ("spool", spool_app),
                    ("directory", directory_app), ("access", access_app), ("policy", policy_app),
                    ("sample", sample_app), ("ledger", ledger_app),
                    ("account", account_app), ("token", token_app),
                    ("review", review_app), ("log", log_app),
                    ("hold", hold_app), ("disposition", disposition_app),
                    ("person", person_app),
                    ("retention", retention_app)):
    app.add_typer(_sub, name=_name)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
PassphraseFile = Annotated[Path | None, typer.Option(
    "--passphrase-file", help="A file that holds the passphrase; without it you are asked.")]


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(
        envvar="COUNTERFOIL_HOME", help="The data folder, made on first use.")] = None,
) -> None:
    """What all verbs share."""
    context.obj = home


def _wire(context: typer.Context, *, provision: bool = True, **override: Any) -> Wire:
    from infra.config import load

    wire = Wire(load(context.find_root().obj, **override))
    context.call_on_close(wire.last_words)
    if provision:
        wire.provision_once()
    return wire


def _provisioned(context: typer.Context) -> Wire:
    wire = _wire(context, provision=False)
    wire.provision()
    return wire


@app.command()
def run(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port of the doors.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; loopback unless told.")] = None,
) -> None:
    """Start everything on this data folder: doors, archiver, indexer. Ends with Ctrl-C."""
    from infra.verbs.running import run as verb

    raise typer.Exit(verb(_provisioned(context), port, host))


@app.command()
def gateway(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port of the doors.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; loopback unless told.")] = None,
) -> None:
    """One part alone: the doors. Holds its own keys only."""
    from infra.verbs.running import gateway as verb

    raise typer.Exit(verb(_wire(context, provision=False), port, host))


@app.command()
def archive(context: typer.Context) -> None:
    """One part alone: log to object store."""
    from infra.verbs.running import archive as verb

    raise typer.Exit(verb(_wire(context, provision=False)))


@app.command()
def index(context: typer.Context) -> None:
    """One part alone: object store to index."""
    from infra.verbs.running import index as verb

    raise typer.Exit(verb(_wire(context, provision=False)))


@app.command()
def notary(
    context: typer.Context,
    once: Annotated[bool, typer.Option(
        "--once", help="One turn, for a timer; exit 1 if a witness or authority did not answer.")
        ] = False,
) -> None:
    """One part alone: the transparency log over the archive. Holds the log's key only."""
    from infra.verbs.running import notary as verb

    raise typer.Exit(verb(_wire(context, provision=False), once=once))


@app.command()
def provision(context: typer.Context) -> None:
    """Make keys, topic, buckets and formats, where they are not there yet."""
    from infra.verbs.screen import OUT

    OUT.print(f"ready: {_provisioned(context).home}")


@app.command()
def stop(context: typer.Context) -> None:
    """Ask the `run` of this data folder to end in order, and wait for it."""
    from infra.verbs.running import stop as verb

    raise typer.Exit(verb(_wire(context, provision=False)))


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help='For example: transfer AND "new account" from:anna')],
    json: Json = False,
    limit: Annotated[int, typer.Option(min=1, max=SEARCH_ROWS_MAX, help="So many rows.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    explain: Annotated[bool, typer.Option(
        "--explain", help="How the query is understood and what it costs, without messages.")] = (
            False),
) -> None:
    """Find messages; every version of a message is searched."""
    from infra.verbs.searching import explain as explained
    from infra.verbs.searching import search as verb

    if explain:
        raise typer.Exit(explained(_wire(context), query, json=json))
    raise typer.Exit(verb(_wire(context), query, json=json, limit=limit, cursor=cursor))


@app.command()
def show(
    context: typer.Context,
    message: Annotated[str, typer.Argument(metavar="ID", help="The id that a search printed.")],
    json: Json = False,
    around: Annotated[int, typer.Option(min=0, max=200, help="Messages before and after.")] = 3,
) -> None:
    """One message: every version, who and when, how each is known, and what was said around it."""
    from infra.verbs.searching import show as verb

    raise typer.Exit(verb(_wire(context), message, json=json, around=around))


@app.command()
def attachment(
    context: typer.Context,
    message: Annotated[str, typer.Argument(metavar="ID", help="The id that a search printed.")],
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="As `show` numbers them.")],
    out: Annotated[Path, typer.Option(help="Where the file is written, for its owner only.")],
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
    json: Json = False,
) -> None:
    """One file of a message: opened, checked against its hash, written; recorded before."""
    from infra.verbs.attachment import attachment as verb

    raise typer.Exit(verb(_wire(context), message, number, out, force=force, json=json))


@app.command()
def assign(
    context: typer.Context,
    channel: Annotated[str, typer.Option(help="whatsapp or sms.")],
    account: Annotated[str, typer.Option(help="The account whose messages nobody has claimed.")],
    custodian: Annotated[str, typer.Option(help="An id of the directory.")],
    reason: Annotated[str, typer.Option(help="Why; it is recorded with who said it.")],
    since: Annotated[str, typer.Option(
        "--from", help="The first day, or time with its offset; without it from the start.")] = "",
    until: Annotated[str, typer.Option(help="The first moment that is not meant.")] = "",
    json: Json = False,
) -> None:
    """Give an account's unassigned messages to a custodian; recorded, and put right by another."""
    from infra.verbs.assign import Wanted
    from infra.verbs.assign import assign as verb

    raise typer.Exit(verb(_wire(context), Wanted(channel, account, custodian, since, until, reason),
                          json=json))


@app.command("import")
def import_files(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER", help=(
        "Chat exports (.txt, .zip), phone backups (.xml), or folders of them."))],
    me: Annotated[str | None, typer.Option(
        metavar="NAME", help="The custodian's own name, as the chat shows it.")] = None,
    account: Annotated[str | None, typer.Option(
        metavar="ID", help="The firm-side number or id; without it nobody's until assigned.")
        ] = None,
    zone: Annotated[str | None, typer.Option(
        help="The time zone of the telephone, as Europe/Berlin.")] = None,
    day_first: Annotated[bool | None, typer.Option(
        "--day-first/--month-first", help="What 05/06 means; inferred where it can be.")] = None,
    map_file: Annotated[Path | None, typer.Option(
        "--map", help="CSV or TOML that says me, account, zone, day_first of each file.")] = None,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", help="Say what would come of it; write nothing.")] = False,
    no_wait: Annotated[bool, typer.Option(
        "--no-wait", help="With `run`: return when it is durable, not when it can be found."),
        ] = False,
    processes: Annotated[int, typer.Option(
        min=0, max=64, help="That read at a time; 0 = as many as cores.")] = 0,
    json: Json = False,
) -> None:
    """Take in exports and backups; again and again, only what is new is added. Exit 3 when
    something was cut off or quarantined, 2 when only you can say what a file means."""
    from infra.verbs.imports import Wanted, take_in

    wanted = Wanted(paths, me, account, zone, day_first, map_file, dry_run, not no_wait, processes)
    raise typer.Exit(take_in(_wire(context, provision=not dry_run), wanted, json=json))


@app.command()
def migrate(
    context: typer.Context,
    to: Annotated[Path, typer.Option("--to", metavar="CONFIG", help=(
        "A counterfoil.toml that names the servers; it becomes this folder's own."))],
    json: Json = False,
) -> None:
    """Move an embedded archive to Kafka, S3 and Elasticsearch, byte for byte; may be repeated."""
    from infra.verbs.migrate import migrate as verb

    raise typer.Exit(verb(_wire(context), to, json=json))


@ledger_app.command("rebuild")
def ledger_rebuild(context: typer.Context, json: Json = False) -> None:
    """Make the import ledger again from the archive. Holds both sides' keys while it runs."""
    from infra.verbs.imports import rebuild as verb

    raise typer.Exit(verb(_wire(context), json=json))


@app.command()
def reconcile(
    context: typer.Context,
    channel: Annotated[str, typer.Option(help="sms; WhatsApp has no list to compare with.")],
    since: Annotated[str, typer.Option("--from", help="The first day, or time with its offset.")],
    until: Annotated[str, typer.Option(help="The first moment that is not meant; without it "
                                            "until now.")] = "",
    store: Annotated[bool, typer.Option("--import", help="Archive what is missing.")] = False,
    json: Json = False,
) -> None:
    """Compare with what the provider lists; the report closes gaps, or proves them."""
    from infra.verbs.reconcile import Wanted
    from infra.verbs.reconcile import reconcile as verb

    raise typer.Exit(verb(_wire(context), Wanted(channel, since, until, store), json=json))


@app.command()
def rebuild(
    context: typer.Context,
    json: Json = False,
    workers: Annotated[int | None, typer.Option(
        min=1, help="Processes; one a core unless said. Each takes a share of the partitions.",
    )] = None,
) -> None:
    """Make the index again from the archive, and swap it in when it has caught up."""
    from infra.verbs.searching import rebuild as verb

    raise typer.Exit(verb(_wire(context), json=json, workers=workers))


@app.command()
def verify(
    context: typer.Context,
    json: Json = False,
    head: Annotated[Path | None, typer.Option(help="A kept head to compare with.")] = None,
    media: Annotated[bool, typer.Option(help="Open and hash every file, too.")] = True,
    log: Annotated[bool, typer.Option(
        "--log", help="The whole transparency log, too, and who vouches for it.")] = False,
    against: Annotated[list[Path] | None, typer.Option(
        metavar="CHECKPOINT", help="A checkpoint of the log that was kept elsewhere; may be "
                                   "repeated.")] = None,
    index: Annotated[bool, typer.Option(
        "--index", help="The index in force, document by document.")] = False,
    index_share: Annotated[int, typer.Option(
        "--index-share", min=1, metavar="N", help="... only one document in N, drawn anew each "
                                                  "time.")] = 1,
    replica: Annotated[bool, typer.Option(
        "--replica", help="The second copy, too: the same objects, locks and keys.")] = False,
) -> None:
    """Check every byte of the archive; exit 0 only without findings."""
    from infra.verbs.check import Depth
    from infra.verbs.check import verify as verb

    raise typer.Exit(verb(_wire(context), json=json, head_file=head,
                          depth=Depth(media, log, against or (), replica,
                                      index_share if index or index_share > 1 else 0)))


@app.command()
def replicate(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One turn, for a timer.")] = False,
    follow: Annotated[bool, typer.Option(
        "--follow", help="Turn after turn, each replica.interval_s, until it is ended.")] = False,
    limit: Annotated[int | None, typer.Option(
        min=1, help="No more new objects than this in a turn; the next goes on.")] = None,
    json: Json = False,
) -> None:
    """Copy the archive and its key records to the second place that replica.* names."""
    from infra.verbs.replicate import Wanted
    from infra.verbs.replicate import replicate as verb

    if once == follow:
        raise typer.BadParameter("give --once or --follow")
    raise typer.Exit(verb(_wire(context), Wanted(follow, limit), json=json))


@app.command()
def drill(
    context: typer.Context,
    backup: Annotated[Path, typer.Option(help="A key backup, as `keys backup` wrote it.")],
    work: Annotated[Path, typer.Option(help="An empty folder; empty again afterwards.")],
    replica: Annotated[bool, typer.Option(
        "--replica", help="Read the second copy, as if the archive were gone.")] = False,
    shares: Annotated[Path | None, typer.Option(
        metavar="FOLDER", help="Shares of the backup's passphrase, instead of it.")] = None,
    passphrase_file: PassphraseFile = None,
    samples: Annotated[int, typer.Option(
        min=1, max=10_000, help="So many messages are compared with the live index.")] = 50,
    media: Annotated[bool, typer.Option(help="Open and hash every file, too.")] = True,
    json: Json = False,
) -> None:
    """Try a restore: keys from a backup, the index from the archive, answers compared; exit 1 if
    something could not be restored. Leaves nothing behind."""
    from infra.verbs.drill import Wanted
    from infra.verbs.drill import drill as verb

    raise typer.Exit(verb(_wire(context), Wanted(backup, work, replica, shares, passphrase_file,
                                                 samples, media), json=json))


@app.command()
def coverage(
    context: typer.Context,
    since: Annotated[str, typer.Option("--from", help="The first day, or time with its offset.")
                     ] = "",
    until: Annotated[str, typer.Option(help="The first moment that is not meant; without it, or "
                                            "later than the log, up to the log's end.")] = "",
    channel: Annotated[str, typer.Option(help="whatsapp or sms; all without.")] = "",
    account: Annotated[str, typer.Option(help="One account; all without.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the statement to a file, too.")] = None,
    check: Annotated[Path | None, typer.Option(
        "--check", metavar="FILE", help="Whether the archive still says what this statement says."
    )] = None,
    json: Json = False,
) -> None:
    """What is known of capture in a period: no known gap, or the gaps; under a checkpoint of the
    log, to be checked later. Exit 0 only for "no known gap"."""
    from infra.verbs import coverage as verbs

    if check is not None:
        raise typer.Exit(verbs.check(_wire(context, provision=False), check, json=json))
    raise typer.Exit(verbs.coverage(_wire(context, provision=False), verbs.Wanted(
        since, until, channel, account, out), json=json))


@app.command()
def segments(
    context: typer.Context,
    json: Json = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
) -> None:
    """The newest segments, with what they cover and until when they are locked."""
    from infra.verbs.check import segments as verb

    raise typer.Exit(verb(_wire(context), json=json, limit=limit))


@app.command()
def status(context: typer.Context, json: Json = False) -> None:
    """What runs and which alarms are active; exit 1 while one is."""
    from infra.verbs.check import status as verb

    raise typer.Exit(verb(_wire(context, provision=False), json=json))


@app.command()
def doctor(context: typer.Context, json: Json = False) -> None:
    """Try whether store, log, index and keys are safe, and say in words what is not."""
    from infra.verbs.doctor import doctor as verb

    raise typer.Exit(verb(_wire(context, provision=False), json=json))


@app.command()
def leakage(
    context: typer.Context,
    corpus: Annotated[list[Path] | None, typer.Option(metavar="FILE", help=(
        "Texts to index: .jsonl or .txt, or those packed as .gz; may be repeated. Without one a "
        "built-in talk."))] = None,
    auxiliary: Annotated[list[Path] | None, typer.Option(metavar="FILE", help=(
        "What the thief has of his own; without it the other half of the texts."))] = None,
    archived: Annotated[bool, typer.Option(
        "--archive", help="The firm's own texts; recorded before, and only shares are said.")] = (
            False),
    splits: Annotated[int, typer.Option(min=2, max=20, help="Halves that are tried.")] = 5,
    json: Json = False,
) -> None:
    """What a thief of the blind index would read: by frequency, context, known and injected words.
    """
    from infra.verbs.leakage import Wanted
    from infra.verbs.leakage import leakage as verb

    wanted = Wanted(corpus or [], auxiliary or [], archived, splits)
    raise typer.Exit(verb(_wire(context) if archived else None, wanted, json=json))


@app.command()
def console(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(
        min=0, max=65535, help="Port; 0 = any that is free.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; loopback unless told.")] = None,
    demo: Annotated[bool, typer.Option(
        "--demo", help="The demo's data, and a link that signs you in once.")] = False,
) -> None:
    """Pages for supervisors and compliance: search, conversations, review. Ends with Ctrl-C."""
    from infra.verbs.console import console as verb
    from infra.verbs.console import demo as demo_verb

    if demo:
        raise typer.Exit(demo_verb(context.find_root().obj, host, port))
    raise typer.Exit(verb(_wire(context), host, port))


@app.command()
def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option(help="Leave the demo running at the end.")] = False,
) -> None:
    """A week of a small law firm, played through the real doors, and what came of it."""
    from infra.demo.show import demo as verb

    raise typer.Exit(verb(context.find_root().obj, keep=keep))


@keys_app.command("backup")
def keys_backup(context: typer.Context, file: Path, passphrase_file: PassphraseFile = None,
                json: Json = False) -> None:
    """Write every key and key record to one encrypted file."""
    from infra.verbs.keys import backup

    raise typer.Exit(backup(_wire(context), file, passphrase_file, json=json))


@keys_app.command("check")
def keys_check(context: typer.Context, file: Path, passphrase_file: PassphraseFile = None,
               json: Json = False) -> None:
    """Open a backup and compare it with the live keys; exit 1 if one is not in it."""
    from infra.verbs.keys import check

    raise typer.Exit(check(_wire(context), file, passphrase_file, json=json))


@keys_app.command("restore")
def keys_restore(context: typer.Context, file: Path, passphrase_file: PassphraseFile = None,
                 also_erased: Annotated[bool, typer.Option(
                     "--also-erased", help="DANGER: also keys that were destroyed on purpose.")
                     ] = False,
                 json: Json = False) -> None:
    """Put keys and key records back where they are missing; nothing is overwritten. Keys that were
    erased since the backup are named and left out."""
    from infra.verbs.keys import restore

    raise typer.Exit(restore(_wire(context, provision=False), file, passphrase_file, json=json,
                             also_erased=also_erased))


@keys_app.command("split")
def keys_split(
    context: typer.Context,
    shares: Annotated[int, typer.Option(min=2, max=32, help="So many shares are made.")],
    threshold: Annotated[int, typer.Option(min=2, max=32, help="So many of them restore it.")],
    out: Annotated[Path | None, typer.Option(help="An empty folder; one file for each share.")] = (
        None),
    on_screen: Annotated[bool, typer.Option(
        "--print", help="On the screen instead, to be written down.")] = False,
    what: Annotated[str, typer.Option(
        help="kek: the wrapping key. passphrase: what opens the key backups.")] = "kek",
    passphrase_file: PassphraseFile = None,
    backup: Annotated[Path | None, typer.Option(help=(
        "A key backup that the passphrase has to open, or nothing is made."))] = None,
    json: Json = False,
) -> None:
    """Give the wrapping key, or the backups' passphrase, to several officers in shares."""
    from infra.verbs.keyshares import Wanted
    from infra.verbs.keyshares import split as verb

    if (out is None) != on_screen:
        raise typer.BadParameter("give --out FOLDER, or --print to see them on the screen")
    raise typer.Exit(verb(_wire(context), Wanted(what, shares, threshold, out, passphrase_file,
                                                 backup), json=json))


@keys_app.command("join")
def keys_join(
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(metavar="FILE|FOLDER", help=(
        "Shares; without one you type them."))] = None,
    out: Annotated[Path | None, typer.Option(help=(
        "Where it is written, for its owner only; the wrapping key's own place unless said."))] = (
            None),
    json: Json = False,
) -> None:
    """The wrapping key, or the backups' passphrase, again from shares."""
    from infra.verbs.keyshares import join as verb

    raise typer.Exit(verb(_wire(context, provision=False), paths or (), out, json=json))


@keys_app.command("rotate")
def keys_rotate(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help=(
        "kek, sealing, transit, gateway, archiver or search (the last three: capture keys)."))] = (
            "kek"),
    only_make: Annotated[bool, typer.Option(
        "--only-make", help="Make the new wrapping key and stop, to carry it to other machines."),
        ] = False,
    finish: Annotated[bool, typer.Option(
        "--finish", help="Nothing needs the old wrapping key any more: remove it.")] = False,
    json: Json = False,
) -> None:
    """A new key in the place of one in use; no archived object is written again."""
    from infra.verbs.rotate import Wanted
    from infra.verbs.rotate import rotate as verb

    raise typer.Exit(verb(_wire(context), Wanted(key, only_make, finish), json=json))


@quarantine_app.command("list")
def quarantine_list(context: typer.Context, json: Json = False) -> None:
    """What could not be read, with the reason; never its content."""
    from infra.verbs.refused import quarantine_list as verb

    raise typer.Exit(verb(_wire(context), json=json))


@quarantine_app.command("replay")
def quarantine_replay(
    context: typer.Context,
    item: Annotated[str | None, typer.Argument(metavar="ID", help="One item; all without.")] = None,
    json: Json = False,
) -> None:
    """Read quarantined items again with today's adapters. Holds both sides' keys while it runs."""
    from infra.verbs.refused import quarantine_replay as verb

    raise typer.Exit(verb(_wire(context), item, json=json))


@rejected_app.command("list")
def rejected_list(context: typer.Context, json: Json = False) -> None:
    """Requests that failed authentication: when, which door, why."""
    from infra.verbs.refused import rejected_list as verb

    raise typer.Exit(verb(_wire(context), json=json))


@rejected_app.command("replay")
def rejected_replay(context: typer.Context, json: Json = False) -> None:
    """Check rejected requests again, after a secret was put right, and capture those that pass."""
    from infra.verbs.refused import rejected_replay as verb

    raise typer.Exit(verb(_wire(context), json=json))


@spool_app.command("list")
def spool_list(context: typer.Context, json: Json = False) -> None:
    """What waits on the gateway's spool, by log and partition."""
    from infra.verbs.refused import spool_list as verb

    raise typer.Exit(verb(_wire(context), json=json))


@spool_app.command("recover")
def spool_recover(context: typer.Context, json: Json = False) -> None:
    """Seal spooled records of a log that was replaced anew, for the log of today."""
    from infra.verbs.refused import spool_recover as verb

    raise typer.Exit(verb(_wire(context), json=json))


@directory_app.command("show")
def directory_show(context: typer.Context, json: Json = False) -> None:
    """Custodians, accounts, groups, matters, notices, exclusions and classes, as the file says."""
    from infra.verbs.directory import show as verb

    raise typer.Exit(verb(_wire(context, provision=False), json=json))


@directory_app.command("check")
def directory_check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Another file than the one in force.")] = None,
    json: Json = False,
) -> None:
    """Whether the file would be taken; exit 1 and every problem with its line if not."""
    from infra.verbs.directory import check as verb

    raise typer.Exit(verb(_wire(context, provision=False), file, json=json))


@directory_app.command("import")
def directory_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="people.csv, groups.csv, matters.csv, access.csv.")],
    kind: Annotated[str, typer.Option("--as", help=(
        "people, groups, matters or access, where the file is not called so."))] = "",
    check: Annotated[bool, typer.Option(
        "--check", help="Say what would change; write nothing.")] = False,
    complete: Annotated[bool, typer.Option("--complete", help=(
        "The file names everything: what it does not name ends today."))] = False,
    json: Json = False,
) -> None:
    """People, groups, matters and access in bulk; shown, recorded, then written."""
    from infra.verbs.directory_import import Wanted
    from infra.verbs.directory_import import import_csv as verb

    raise typer.Exit(verb(_wire(context, provision=not check), Wanted(file, kind, complete, check),
                          json=json))


@access_app.command("check")
def access_check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Another file than the one in force.")] = None,
    json: Json = False,
) -> None:
    """Whether the file would be taken, and the directory knows what it names; exit 1 if not."""
    from infra.verbs.access import check as verb

    raise typer.Exit(verb(_wire(context, provision=False), file, json=json))


@access_app.command("show")
def access_show(context: typer.Context, json: Json = False) -> None:
    """People, walls, what is privileged, and settings, as the file says."""
    from infra.verbs.access import show as verb

    raise typer.Exit(verb(_wire(context, provision=False), json=json))


@access_app.command("who")
def access_who(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="An id of access.toml.")],
    json: Json = False,
) -> None:
    """What this person may do and see, and what they are kept from, in words."""
    from infra.verbs.access import who as verb

    raise typer.Exit(verb(_wire(context, provision=False), person, json=json))


@access_app.command("matrix")
def access_matrix(json: Json = False) -> None:
    """Which role may do what."""
    from infra.verbs.access import matrix as verb

    raise typer.Exit(verb(json=json))


@policy_app.command("list")
def policy_list(context: typer.Context, json: Json = False) -> None:
    """Every version of every policy, and which are in force."""
    from infra.verbs.policy import policy_list as verb

    raise typer.Exit(verb(_wire(context), json=json))


@policy_app.command("check")
def policy_check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A policy file.")],
    json: Json = False,
) -> None:
    """Whether a file reads; every problem with its line if not."""
    from infra.verbs.policy import policy_check as verb

    raise typer.Exit(verb(_wire(context), file, json=json))


@policy_app.command("test")
def policy_test(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(
        help="A file, or ID or ID/VERSION of one in policies/; without a version the highest.")],
    since: Annotated[str, typer.Option(
        "--from", help="The first day, in the firm's zone, or time with its offset.")] = "",
    until: Annotated[str, typer.Option(
        help="The first day, or time with its offset, that is not meant.")] = "",
    samples: Annotated[int, typer.Option(min=0, max=1_000, help="Of each rule.")] = 5,
    json: Json = False,
) -> None:
    """A dry run over what is archived: counts and samples, before it goes live."""
    from infra.verbs.policy import Wanted
    from infra.verbs.policy import policy_test as verb

    raise typer.Exit(verb(_wire(context), Wanted(policy, since, until, samples), json=json))


@policy_app.command("replay")
def policy_replay(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="ID or ID/VERSION of a policy in force.")],
    restart: Annotated[bool, typer.Option(
        "--restart", help="Begin anew, not where it was interrupted.")] = False,
    json: Json = False,
) -> None:
    """A policy over all of the archive: flags it, and says what the version before missed."""
    from infra.verbs.policy import policy_replay as verb

    raise typer.Exit(verb(_wire(context), policy, json=json, restart=restart))


@policy_app.command("starter")
def policy_starter(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(
        help="One of the pack, or your own file of one; all without it.")] = "",
    check: Annotated[bool, typer.Option(
        "--check", help="Precision and recall on texts that a person has labelled.")] = False,
    languages: Annotated[bool, typer.Option("--languages", help="... of each language.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="... of each rule.")] = False,
    misses: Annotated[bool, typer.Option(
        "--misses", help="... and each text that is missed, or hit and should not be.")] = False,
    install: Annotated[bool, typer.Option(
        "--install", help="Copy them into policies/; nothing there is overwritten.")] = False,
    json: Json = False,
) -> None:
    """The policies that come with Counterfoil, for a firm to change and sign."""
    from infra.verbs.starter import Wanted
    from infra.verbs.starter import policy_starter as verb

    raise typer.Exit(verb(_wire(context, provision=install), Wanted(
        policy, check, languages, rules, misses, install), json=json))


PersonArgument = Annotated[str, typer.Argument(
    metavar="PERSON", help="The id of a [[person]] in access.toml.")]
AskOption = Annotated[bool, typer.Option("--ask", help="Type the password here.")]
PasswordFileOption = Annotated[Path | None, typer.Option(
    "--password-file", metavar="FILE", help="Its first line is the password; - is a pipe.")]
OwnOption = Annotated[bool, typer.Option(
    "--own", help="The person chose it: it need not be changed at the first sign-in.")]


@account_app.command("add")
def account_add(context: typer.Context, person: PersonArgument, ask: AskOption = False,
                password_file: PasswordFileOption = None, own: OwnOption = False,
                json: Json = False) -> None:
    """A first password for a person of access.toml: a one-time one, unless you give one."""
    from infra.verbs.account import Given
    from infra.verbs.account import add as verb

    raise typer.Exit(verb(_wire(context), person, Given(ask, password_file, own), json=json))


@account_app.command("password")
def account_password(context: typer.Context, person: PersonArgument, ask: AskOption = False,
                     password_file: PasswordFileOption = None, own: OwnOption = False,
                     json: Json = False) -> None:
    """A new password, one-time unless you give one; every session of the person ends."""
    from infra.verbs.account import Given
    from infra.verbs.account import password as verb

    raise typer.Exit(verb(_wire(context), person, Given(ask, password_file, own), json=json))


@account_app.command("totp")
def account_totp(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """The telephone is lost: forget it, and make a one-time password to sign in with anew."""
    from infra.verbs.account import totp as verb

    raise typer.Exit(verb(_wire(context), person, json=json))


@account_app.command("disable")
def account_disable(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """No way in from now on; every session and token of the person is dead."""
    from infra.verbs.account import disable as verb

    raise typer.Exit(verb(_wire(context), person, json=json))


@account_app.command("enable")
def account_enable(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """The way in is open again; wrong guesses are forgotten, so that nobody has to wait."""
    from infra.verbs.account import enable as verb

    raise typer.Exit(verb(_wire(context), person, json=json))


@account_app.command("forget")
def account_forget(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """Forget which identity at your OpenID provider is the person's; the next one counts."""
    from infra.verbs.account import forget as verb

    raise typer.Exit(verb(_wire(context), person, json=json))


@account_app.command("list")
def account_list(context: typer.Context, json: Json = False) -> None:
    """Everybody, what they sign in with, and who is signed in."""
    from infra.verbs.account import listed as verb

    raise typer.Exit(verb(_wire(context), json=json))


@account_app.command("sessions")
def account_sessions(
    context: typer.Context,
    person: Annotated[str, typer.Argument(help="One person; everybody without.")] = "",
    json: Json = False,
) -> None:
    """Who is signed in now, since when and from where."""
    from infra.verbs.account import sessions as verb

    raise typer.Exit(verb(_wire(context), person, json=json))


@account_app.command("revoke")
def account_revoke(
    context: typer.Context, person: PersonArgument,
    session: Annotated[str, typer.Argument(help="As `sessions` prints it; all without.")] = "",
    json: Json = False,
) -> None:
    """End a session, or all of a person's; exit 1 when there was none."""
    from infra.verbs.account import revoke as verb

    raise typer.Exit(verb(_wire(context), person, session, json=json))


@token_app.command("add")
def token_add(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="PERSON", help="Whose it is: it may do no more.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    may: Annotated[list[str], typer.Option(help="A capability, such as search; may be repeated.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="It is good for so long.")] = 90,
    json: Json = False,
) -> None:
    """A token for a program; it is shown once, and only its hash is kept."""
    from infra.verbs.account import token_add as verb

    raise typer.Exit(verb(_wire(context), owner, name, days, may, json=json))


@token_app.command("list")
def token_list(context: typer.Context, json: Json = False) -> None:
    """Every token, what it may do, until when, and the day of its last use."""
    from infra.verbs.account import token_list as verb

    raise typer.Exit(verb(_wire(context), json=json))


@token_app.command("revoke")
def token_revoke(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID", help="As `list` prints it.")],
    json: Json = False,
) -> None:
    """Not good from the next request on."""
    from infra.verbs.account import token_revoke as verb

    raise typer.Exit(verb(_wire(context), token, json=json))


@sample_app.command("list")
def sample_list(context: typer.Context, json: Json = False) -> None:
    """Every plan, and of its last periods what is on record."""
    from infra.verbs.sample import sample_list as verb

    raise typer.Exit(verb(_wire(context), json=json))


@sample_app.command("plan")
def sample_plan(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="The id of a plan in sampling/, or a file.")],
    check: Annotated[bool, typer.Option(
        "--check", help="Only whether the file reads; record nothing.")] = False,
    json: Json = False,
) -> None:
    """Put the seed of a plan's next period on record; the indexer does it by itself."""
    from infra.verbs.sample import sample_plan as verb

    raise typer.Exit(verb(_wire(context), plan, json=json, check=check))


@sample_app.command("draw")
def sample_draw(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="The id of a plan in sampling/.")],
    period: Annotated[str, typer.Option(
        help="2026-11-21, 2026-W47, 2026-11 or 2026-Q4; without it the last that has ended.")
        ] = "",
    json: Json = False,
) -> None:
    """Draw a period that has ended, and mark what was drawn for search and review."""
    from infra.verbs.sample import sample_draw as verb

    raise typer.Exit(verb(_wire(context), plan, period, json=json))


@sample_app.command("verify")
def sample_verify(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="The id of a plan in sampling/.")],
    period: Annotated[str, typer.Option(
        help="2026-11-21, 2026-W47, 2026-11 or 2026-Q4; without it the last that has ended.")
        ] = "",
    json: Json = False,
) -> None:
    """Draw again from seed and archive and compare item by item; exit 1 if something differs."""
    from infra.verbs.sample import sample_verify as verb

    raise typer.Exit(verb(_wire(context), plan, period, json=json))


Item = Annotated[str, typer.Argument(metavar="ID", help="The id that the queue printed.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words. Do not quote the message.")]


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

    raise typer.Exit(verb(_wire(context), Wanted(status, severity, level, rule, assigned, overdue,
                                                 limit, cursor), json=json))


@review_app.command("show")
def review_show(context: typer.Context, message: Item, json: Json = False) -> None:
    """One item: its flags, what was decided, what is wanted. Opening it changes nothing."""
    from infra.verbs.review import show as verb

    raise typer.Exit(verb(_wire(context), message, json=json))


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

    raise typer.Exit(verb(_wire(context), message, Form(
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

    raise typer.Exit(verb(_wire(context), message, Form(
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

    raise typer.Exit(verb(_wire(context), message, Form("assign", to=to), json=json))


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

    raise typer.Exit(verb(_wire(context), message, Form("reopen", reason=reason), json=json))


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

    raise typer.Exit(verb(_wire(context), message, Form("note", note=words), json=json))


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

    raise typer.Exit(verb(_wire(context), month, out, json=json, force=force))


@review_app.command("narrow")
def review_narrow(context: typer.Context, json: Json = False) -> None:
    """Words of rules that mostly hit what is nothing. Proposals: nothing changes by itself."""
    from infra.verbs.review import narrow as verb

    raise typer.Exit(verb(_wire(context), json=json))


Month = Annotated[str, typer.Argument(metavar="MONTH", help="2026-11, in the firm's zone.")]


@review_app.command("seed")
def review_seed(context: typer.Context, month: Month, json: Json = False) -> None:
    """Before a month begins: the seed that its check of cleared items is drawn with."""
    from infra.verbs.review import seed as verb

    raise typer.Exit(verb(_wire(context), month, json=json))


@review_app.command("recheck")
def review_recheck(context: typer.Context, month: Month, json: Json = False) -> None:
    """When a month is over: draw from what was cleared, to be checked by somebody else."""
    from infra.verbs.review import recheck as verb

    raise typer.Exit(verb(_wire(context), month, json=json))


@review_app.command("verify-report")
def review_verify_report(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `review report --out` wrote.")],
    json: Json = False,
) -> None:
    """Whether a report is what this firm's key signed; exit 1 if not."""
    from infra.verbs.review import verify_report as verb

    raise typer.Exit(verb(_wire(context, provision=False), file, json=json))


@log_app.command("status")
def log_status(context: typer.Context, json: Json = False) -> None:
    """Its name and keys, how far it reaches, who confirmed it; exit 1 while segments wait."""
    from infra.verbs.log import status as verb

    raise typer.Exit(verb(_wire(context, provision=False), json=json))


@log_app.command("checkpoint")
def log_checkpoint(
    context: typer.Context,
    witnessed: Annotated[bool, typer.Option(
        "--witnessed", help="Only one that a witness has confirmed.")] = False,
) -> None:
    """The newest checkpoint, signed, for somebody to keep: `verify --against` compares it."""
    from infra.verbs.log import newest_checkpoint as verb

    raise typer.Exit(verb(_wire(context, provision=False), witnessed=witnessed))


@log_app.command("prove")
def log_prove(
    context: typer.Context,
    segment: Annotated[str, typer.Argument(help="A segment's name, as `show --json` prints it.")],
    cell: Annotated[str, typer.Argument(
        help="The cell's number from 0, or OFFSET/INDEX of an event in it.")],
    out: Annotated[Path, typer.Option(help="Where the .tlog-proof is written.")],
    json: Json = False,
) -> None:
    """Write the proof that a cell is in the log; anybody can check it without us."""
    from infra.verbs.log import prove as verb

    raise typer.Exit(verb(_wire(context, provision=False), segment, cell, out, json=json))


@log_app.command("files")
def log_files(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="An empty folder.")],
    json: Json = False,
) -> None:
    """Write the whole log as static files (C2SP tiles), for an auditor or a web server."""
    from infra.verbs.log import files as verb

    raise typer.Exit(verb(_wire(context, provision=False), out, json=json))


@log_app.command("check-proof")
def log_check_proof(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .tlog-proof.")],
    key: Annotated[list[str] | None, typer.Option(
        metavar="VKEY", help="Whom to believe: the log's verifier key, and witnesses'; without it "
                             "this data folder's.")] = None,
    segment: Annotated[Path | None, typer.Option(
        help="A copy of the segment's object, to be compared too.")] = None,
    json: Json = False,
) -> None:
    """Whether a proof holds; offline, and without a data folder where --key is given."""
    from infra.verbs.log import check_proof as verb

    wire = None if key else _wire(context, provision=False)
    raise typer.Exit(verb(wire, file, key or [], segment, json=json))


@app.command()
def witness(
    context: typer.Context,
    log: Annotated[list[str], typer.Option(
        metavar="VKEY|FILE", help="A log's verifier key, or a file of them; may be repeated.")],
    name: Annotated[str, typer.Option(
        help="What a new witness is called, for ever: witness.firm.example.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port.")] = 8095,
    host: Annotated[str, typer.Option(help="Address; loopback unless told.")] = "127.0.0.1",
) -> None:
    """A witness of other people's logs, with a folder (--home) and a key of its own. Ends with
    Ctrl-C."""
    from infra.verbs.witness import witness as verb

    home = context.find_root().obj
    if home is None:
        raise typer.BadParameter("give the witness a folder of its own: --home, before `witness`")
    raise typer.Exit(verb(home, name, log, host, port))


HoldId = Annotated[str, typer.Argument(metavar="ID", help="16 hexadecimal digits, as listed.")]
Custodians = Annotated[list[str] | None, typer.Option(
    "--custodian", help="An id of the directory; may be repeated: any of them.")]
Matters = Annotated[list[str] | None, typer.Option(
    "--matter", help="An id of the directory, with all that it ever was; may be repeated.")]
Conversations = Annotated[list[str] | None, typer.Option(
    "--conversation", help="An id or a token, as a search shows it; may be repeated.")]
FromDay = Annotated[str, typer.Option("--from", help="The first day; its whole month is held.")]
ToDay = Annotated[str, typer.Option("--to", help="The last day; its whole month is held.")]
HoldQuery = Annotated[str, typer.Option("--query", help="As for `search`, without lists.")]


As = Annotated[str, typer.Option("--as", metavar="PERSON", help=(
    "A person of access.toml; your password is asked for. Needed outside a trial."))]
AsPasswordFile = Annotated[Path | None, typer.Option(
    "--password-file", metavar="FILE", help="Its first line is the password; - is a pipe.")]
AsCode = Annotated[str, typer.Option("--code", help="The code that your telephone shows.")]


def _identity(person: str, password_file: Path | None, code: str) -> Any:
    from infra.disposition_who import Identity
    from infra.verbs.account import password_typed

    password = password_typed(password_file) if person else ""
    return Identity(person, password, code)


@hold_app.command("place")
def hold_place(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="What people call it: Doe v. Roe.")],
    ground: Annotated[str, typer.Option(help="Why: the claim, the letter, the court's number.")],
    custodian: Custodians = None, matter: Matters = None, conversation: Conversations = None,
    since: FromDay = "", until: ToDay = "", query: HoldQuery = "", json: Json = False,
) -> None:
    """Place a legal hold on whatever fits all of the options. Two people release it."""
    from infra.verbs.hold import Wanted
    from infra.verbs.hold import place as verb

    raise typer.Exit(verb(_wire(context), name, ground, Wanted(
        custodian or (), matter or (), conversation or (), since, until, query), json=json))


@hold_app.command("list")
def hold_list(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Released ones, too.")] = False,
    json: Json = False,
) -> None:
    """The legal holds in force."""
    from infra.verbs.hold import listing as verb

    raise typer.Exit(verb(_wire(context), json=json, every=every))


@hold_app.command("show")
def hold_show(context: typer.Context, hold: HoldId, json: Json = False) -> None:
    """One legal hold: what it keeps now, and what was done with it."""
    from infra.verbs.hold import show as verb

    raise typer.Exit(verb(_wire(context), hold, json=json))


@hold_app.command("release")
def hold_release(
    context: typer.Context, hold: HoldId,
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    grant: Annotated[bool, typer.Option(
        "--grant", help="As the second person: the hold ends.")] = False,
    refuse: Annotated[bool, typer.Option(
        "--refuse", help="Say no to the request: the hold stays.")] = False,
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "",
    json: Json = False,
) -> None:
    """Ask for the release of a legal hold, or answer somebody else's request."""
    from infra.verbs.hold import release as verb

    raise typer.Exit(verb(_wire(context), hold, reason, _identity(person, password_file, code),
                          grant=grant, refuse=refuse, json=json))


@hold_app.command("simulate")
def hold_simulate(
    context: typer.Context,
    custodian: Custodians = None, matter: Matters = None, conversation: Conversations = None,
    since: FromDay = "", until: ToDay = "", query: HoldQuery = "", json: Json = False,
) -> None:
    """What a legal hold would keep, and how many requests it would cost. Places nothing."""
    from infra.verbs.hold import Wanted
    from infra.verbs.hold import simulate as verb

    raise typer.Exit(verb(_wire(context), Wanted(
        custodian or (), matter or (), conversation or (), since, until, query), json=json))


@hold_app.command("apply")
def hold_apply(
    context: typer.Context,
    again: Annotated[bool, typer.Option(
        "--again", help="Tell the store everything once more.")] = False,
    json: Json = False,
) -> None:
    """Tell the store now what `run` would tell it."""
    from infra.verbs.hold import apply as verb

    raise typer.Exit(verb(_wire(context), again=again, json=json))


ListId = Annotated[str, typer.Argument(metavar="LIST", help="As `disposition status` prints it.")]


@disposition_app.command("due")
def disposition_due(
    context: typer.Context,
    at: Annotated[str, typer.Option(help="As if it were this day; destroys nothing.")] = "",
    every: Annotated[bool, typer.Option(
        "--all", help="Also what may not go, with the ground and the date.")] = False,
    json: Json = False,
) -> None:
    """What has reached the end of its time, and why the rest has not. Reads the whole archive."""
    from infra.verbs.disposition import due as verb

    raise typer.Exit(verb(_wire(context), at, json=json, every=every))


@disposition_app.command("list")
def disposition_list(
    context: typer.Context,
    custodian: Annotated[str, typer.Option(help="Only of this custodian.")] = "",
    month: Annotated[str, typer.Option(help="Only of this month, as 2019-05.")] = "",
    key: Annotated[list[str] | None, typer.Option(
        help="Only this key, as `due` prints it; may be repeated.")] = None,
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "",
    json: Json = False,
) -> None:
    """Put a list of what is due on record, for somebody else to approve. Destroys nothing."""
    from infra.verbs.disposition import Wanted
    from infra.verbs.disposition import make_list as verb

    raise typer.Exit(verb(_wire(context), Wanted(custodian, month, key or ()),
                          _identity(person, password_file, code), json=json))


@disposition_app.command("approve")
def disposition_approve(
    context: typer.Context, list_id: ListId, person: As = "",
    password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """The second person's word on a list; then it waits for disposition.wait_days."""
    from infra.verbs.disposition import approve as verb

    raise typer.Exit(verb(_wire(context), list_id, _identity(person, password_file, code),
                          json=json))


@disposition_app.command("refuse")
def disposition_refuse(
    context: typer.Context, list_id: ListId,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with who said it.")],
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """No: nothing of this list is destroyed. Until it runs."""
    from infra.verbs.disposition import refuse as verb

    raise typer.Exit(verb(_wire(context), list_id, reason,
                          _identity(person, password_file, code), json=json))


@disposition_app.command("run")
def disposition_run(context: typer.Context, list_id: ListId, json: Json = False) -> None:
    """Destroy what an approved list names, for ever. Interrupted, run it again: it goes on."""
    from infra.verbs.disposition import run as verb

    raise typer.Exit(verb(_wire(context), list_id, json=json))


@disposition_app.command("status")
def disposition_status(context: typer.Context, json: Json = False) -> None:
    """Every list and how far it came; exit 1 while one is begun and not finished."""
    from infra.verbs.disposition import status as verb

    raise typer.Exit(verb(_wire(context), json=json))


@disposition_app.command("certificate")
def disposition_certificate(
    context: typer.Context, list_id: ListId,
    out: Annotated[Path | None, typer.Option(help="Write it here; else on the screen.")] = None,
    json: Json = False,
) -> None:
    """The signed certificate of what a list erased."""
    from infra.verbs.disposition import certificate as verb

    raise typer.Exit(verb(_wire(context), list_id, out, json=json))


@disposition_app.command("check-certificate")
def disposition_check_certificate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `certificate --out` wrote.")],
    json: Json = False,
) -> None:
    """Whether a certificate is what this firm's key signed; exit 1 if not."""
    from infra.verbs.disposition import check_certificate as verb

    raise typer.Exit(verb(_wire(context, provision=False), file, json=json))


@disposition_app.command("backup-destroyed")
def disposition_backup_destroyed(
    context: typer.Context,
    backup: Annotated[str, typer.Argument(metavar="ID", help="As a certificate names it.")],
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """Put on record that the file of a key backup was destroyed."""
    from infra.verbs.disposition import backup_destroyed as verb

    raise typer.Exit(verb(_wire(context), backup, _identity(person, password_file, code),
                          json=json))


@retention_app.command("simulate")
def retention_simulate(
    context: typer.Context,
    at: Annotated[str, typer.Option(help="A day: 2033-06-01.")],
    retention_class: Annotated[str, typer.Option(
        "--class", help="A class whose years are changed, only in thought.")] = "",
    years: Annotated[int | None, typer.Option(help="Its years then.")] = None,
    json: Json = False,
) -> None:
    """What would end at a date, what would stay and why, and what another class would mean."""
    from infra.verbs.retention import simulate as verb

    raise typer.Exit(verb(_wire(context), at, retention_class, years, json=json))


Somebody = Annotated[str, typer.Argument(metavar="PERSON", help=(
    "A number, an id, an address or a name, as in a search after with:."))]


@person_app.command("held")
def person_held(context: typer.Context, person: Somebody, json: Json = False) -> None:
    """What is held about somebody: how much, of when, on what ground, and until when."""
    from infra.verbs.person import held as verb

    raise typer.Exit(verb(_wire(context), person, json=json))


@person_app.command("erase")
def person_erase(
    context: typer.Context, person: Somebody,
    ground: Annotated[str, typer.Option(help="On what ground they ask; it is recorded.")],
    json: Json = False,
) -> None:
    """Put a request to erase on record. What may not go yet is named with its date, and waits."""
    from infra.verbs.person import erase as verb

    raise typer.Exit(verb(_wire(context), person, ground, json=json))


@person_app.command("requests")
def person_requests(context: typer.Context, json: Json = False) -> None:
    """Requests that wait, and what of them may go now."""
    from infra.verbs.person import listed as verb

    raise typer.Exit(verb(_wire(context), json=json))


@person_app.command("access")
def person_access(
    context: typer.Context, person: Somebody,
    out: Annotated[Path, typer.Option(help="A new folder, for its owner only.")],
    json: Json = False,
) -> None:
    """A copy of what is held about somebody, as JSON lines, other people marked."""
    from infra.verbs.person import access as verb

    raise typer.Exit(verb(_wire(context), person, out, json=json))


@stack_app.command("up")
def stack_up(context: typer.Context, json: Json = False) -> None:
    """Start the real servers and write a configuration that uses them."""
    from infra.verbs.stack import up

    raise typer.Exit(up(context.find_root().obj, json=json))


@stack_app.command("status")
def stack_status(context: typer.Context, json: Json = False) -> None:
    """Which of the real servers run, and where they listen."""
    from infra.verbs.stack import status as verb

    raise typer.Exit(verb(context.find_root().obj, json=json))


@stack_app.command("down")
def stack_down(context: typer.Context, json: Json = False) -> None:
    """Stop the real servers of this data folder; their data stays."""
    from infra.verbs.stack import down

    raise typer.Exit(down(context.find_root().obj, json=json))


def main() -> None:
    """The console script. Errors end with one sentence and their own exit code; Ctrl-C, where no
    verb has heard of it yet, with nothing and 130."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run() -> None:
    from infra import hardening, logs

    hardening.harden()
    logs.set_up(verbose=bool(os.environ.get("COUNTERFOIL_VERBOSE")))
    parent = os.environ.pop("COUNTERFOIL_PARENT_PID", None)
    if parent:
        hardening.end_with_parent(int(parent))
    try:
        app()
    except QueryError as error:
        sys.stderr.write(error.pointed() + "\n")
        sys.exit(error.exit_code)
    except CounterfoilError as error:
        sys.stderr.write(f"counterfoil: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read us has read enough (`| head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
