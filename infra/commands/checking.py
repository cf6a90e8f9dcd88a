"""Whether all is there and well: the archive, its copy, the index, the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, PassphraseFile, wire_of

verbs = typer.Typer()


@verbs.command()
def rebuild(
    context: typer.Context,
    json: Json = False,
    workers: Annotated[int | None, typer.Option(
        min=1, help="Processes; one a core unless said. Each takes a share of the partitions.",
    )] = None,
) -> None:
    """Make the index again from the archive, and swap it in when it has caught up."""
    from infra.verbs.searching import rebuild as verb

    raise typer.Exit(verb(wire_of(context), json=json, workers=workers))


@verbs.command()
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

    raise typer.Exit(verb(wire_of(context), json=json, head_file=head,
                          depth=Depth(media, log, against or (), replica,
                                      index_share if index or index_share > 1 else 0)))


@verbs.command()
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
    raise typer.Exit(verb(wire_of(context), Wanted(follow, limit), json=json))


@verbs.command()
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

    raise typer.Exit(verb(wire_of(context), Wanted(backup, work, replica, shares, passphrase_file,
                                                 samples, media), json=json))


@verbs.command()
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
        raise typer.Exit(verbs.check(wire_of(context, provision=False), check, json=json))
    raise typer.Exit(verbs.coverage(wire_of(context, provision=False), verbs.Wanted(
        since, until, channel, account, out), json=json))


@verbs.command()
def segments(
    context: typer.Context,
    json: Json = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
) -> None:
    """The newest segments, with what they cover and until when they are locked."""
    from infra.verbs.check import segments as verb

    raise typer.Exit(verb(wire_of(context), json=json, limit=limit))


@verbs.command()
def status(context: typer.Context, json: Json = False) -> None:
    """What runs and which alarms are active; exit 1 while one is."""
    from infra.verbs.check import status as verb

    raise typer.Exit(verb(wire_of(context, provision=False), json=json))


@verbs.command()
def doctor(context: typer.Context, json: Json = False) -> None:
    """Try whether store, log, index and keys are safe, and say in words what is not."""
    from infra.verbs.doctor import doctor as verb

    raise typer.Exit(verb(wire_of(context, provision=False), json=json))


@verbs.command("rsmf-check")
def rsmf_check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help=(
        "RSMF files of anybody's making; a name that ends with .json is a manifest alone."))],
    json: Json = False,
) -> None:
    """Check RSMF files by the official schema and stricter rules; exit 1 when one fails."""
    from infra.verbs.rsmf import rsmf_check as verb

    raise typer.Exit(verb(files, json=json))


@verbs.command()
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
    raise typer.Exit(verb(wire_of(context) if archived else None, wanted, json=json))
