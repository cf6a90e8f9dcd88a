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
ledger_app = typer.Typer(no_args_is_help=True, help="What importers remember of each chat.")
for _name, _sub in (("keys", keys_app), ("stack", stack_app), ("quarantine", quarantine_app),
                    ("rejected", rejected_app), ("spool", spool_app),
                    ("directory", directory_app), ("policy", policy_app), ("ledger", ledger_app)):
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
) -> None:
    """Check every byte of the archive; exit 0 only without findings."""
    from infra.verbs.check import verify as verb

    raise typer.Exit(verb(_wire(context), json=json, head_file=head, media=media))


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
                 json: Json = False) -> None:
    """Put keys and key records back where they are missing; nothing is overwritten."""
    from infra.verbs.keys import restore

    raise typer.Exit(restore(_wire(context, provision=False), file, passphrase_file, json=json))


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
    policy: Annotated[str, typer.Argument(help="A file, or the id of one in policies/.")],
    since: Annotated[str, typer.Option("--from", help="The first day, or time with its offset."),
                     ] = "",
    until: Annotated[str, typer.Option(help="The first moment that is not meant.")] = "",
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
    policy: Annotated[str, typer.Argument(help="The id of a policy in force.")],
    json: Json = False,
) -> None:
    """A policy over all of the archive: flags it, and says what the version before missed."""
    from infra.verbs.policy import policy_replay as verb

    raise typer.Exit(verb(_wire(context), policy, json=json))


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
    """The console script. Errors end with one sentence and their own exit code."""
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
