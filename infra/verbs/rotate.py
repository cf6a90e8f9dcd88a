"""`keys rotate`: a new wrapping key, or a new key that signs or that transit is sealed to.

Owns what is asked for and said; the order of the steps is `infra/rotate.py` and, for keys whose
public half others must know first, `infra/keyfiles.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.progress import Progress, SpinnerColumn, TextColumn

from archive.keyring import Keyring
from infra import rotate as rotation
from infra.carry import if_nobody_runs
from infra.embedded.keys import NEXT_NAME, LocalKeyService
from infra.keyfiles import ROLES
from infra.replica import key_copies
from infra.rotate import Rewrapped
from infra.verbs.audit import record_act
from infra.verbs.screen import ERR, OUT, bad, emit, good
from infra.wire import Wire
from schemas.errors import Refused

WRAPPING: Final = "kek"
SIGNING: Final = ("sealing", "transit", *ROLES)
# New records come under the new key at once; a second pass finds what was under way.
_PASSES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which key; for the wrapping key also whether only to make the new one (to carry it to other
    machines first), or to end the rotation."""

    key: str
    only_make: bool = False
    finish: bool = False


def rotate(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """One step of a rotation; 1 where a key record opens under neither key."""
    if wanted.key != WRAPPING:
        if wanted.key not in SIGNING or wanted.only_make or wanted.finish:
            raise Refused(f"{wanted.key}: `keys rotate` knows {WRAPPING}, {', '.join(SIGNING)}; "
                          f"--only-make and --finish are {WRAPPING}'s")
        return _other(wire, wanted.key, json=json)
    if wire.config.keyservice.driver != "local":
        raise Refused("the wrapping key is in a KMS, which renews it by itself and goes on opening "
                      "what it wrapped before: turn on its automatic rotation")
    if wanted.finish:
        return _finish(wire, json=json)
    return _rewrap(wire, only_make=wanted.only_make, json=json)


def _rewrap(wire: Wire, *, only_make: bool, json: bool) -> int:
    kek = wire.keys_folder.kek_path()
    # Named now, before anything is made: a copy whose disk is away must not be forgotten.
    keyrings = _keyrings(wire)
    record_act(wire, "keys_rotate", {"key": WRAPPING})
    is_new = rotation.begin(kek, wire.random)
    writes = LocalKeyService(kek.with_name(NEXT_NAME), wire.random, alone=True)
    done: dict[str, Rewrapped] = {}
    if not only_make:
        _forget_backup(wire)
        reads = LocalKeyService(kek, wire.random)
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=ERR,
                      transient=True, disable=json) as bar:
            task = bar.add_task("wrapping keys anew", total=None)
            for name, keyring in keyrings.items():
                bar.update(task, description=f"wrapping keys anew: {name}")
                done[name] = _until_done(keyring, reads, writes)
    unreadable = sorted(f"{name}/{one}" for name, result in done.items()
                        for one in result.unreadable)
    if json:
        emit({"key": WRAPPING, "new_key": writes.key_id, "made_now": is_new, "finished": False,
              "changed": sum(one.changed for one in done.values()),
              "already": sum(one.already for one in done.values()), "unreadable": unreadable})
        return 1 if unreadable else 0
    OUT.print(good("new wrapping key") if is_new else "the rotation goes on:", writes.key_id)
    for name, result in done.items():
        OUT.print(f"{name}: {result.changed} key records wrapped anew, {result.already} were")
    for one in unreadable:
        OUT.print(bad("opens under neither key:"), one)
    _say_next(only_make=only_make)
    return 1 if unreadable else 0


def _say_next(*, only_make: bool) -> None:
    if only_make:
        OUT.print(f"next: copy keys/kek/{NEXT_NAME} to every machine that holds kek.key, then "
                  "counterfoil keys rotate")
        return
    OUT.print("both keys open until the end. next: counterfoil keys backup and keys check; then, a "
              "quarter of an hour from now, counterfoil keys rotate --finish, on every machine; "
              "then counterfoil keys split, if the key was split")


def _until_done(keyring: Keyring, reads: LocalKeyService, writes: LocalKeyService) -> Rewrapped:
    changed = 0
    for _ in range(_PASSES_MAX):
        found = rotation.rewrap(keyring, reads, writes)
        changed += found.changed
        if not found.changed:
            break
    return Rewrapped(changed, max(0, found.already - changed), found.unreadable)


def _finish(wire: Wire, *, json: bool) -> int:
    keyrings = _keyrings(wire)
    record_act(wire, "keys_rotate_finish", {"key": WRAPPING})
    key_id = rotation.finish(wire.keys_folder.kek_path(), keyrings.values(), wire.random,
                             wire.clock())
    _forget_backup(wire)
    if json:
        emit({"key": WRAPPING, "new_key": key_id, "made_now": False, "finished": True,
              "changed": 0, "already": 0, "unreadable": []})
        return 0
    OUT.print(good("the old wrapping key is gone;"), f"{key_id} is in its place")
    OUT.print("older key backups still open, with the old key in them: destroy them once a new one "
              "was checked (counterfoil keys backup, keys check)")
    return 0


def _other(wire: Wire, key: str, *, json: bool) -> int:
    with if_nobody_runs(wire.home) as is_ours:
        if not is_ours:
            # A reader that runs knows the public keys that it began with, and would stop.
            raise Refused("`run` is up on this data folder: end it with `counterfoil stop` first")
        record_act(wire, "keys_rotate", {"key": key})
        key_id = wire.keys_folder.rotate(key)
        _forget_backup(wire)
    if json:
        emit({"key": key, "new_key": key_id, "made_now": True, "finished": True, "changed": 0,
              "already": 0, "unreadable": []})
        return 0
    OUT.print(good(f"new {key} key"), key_id)
    OUT.print("next: carry keys/public to the other machines before you start them; counterfoil "
              "keys backup, keys check; counterfoil run")
    return 0


def _keyrings(wire: Wire) -> Mapping[str, Keyring]:
    return {"keyring": wire.keyring, **key_copies(wire)}


def _forget_backup(wire: Wire) -> None:
    """The last checked backup is none of these keys: `status` says so until there is a new one."""
    (wire.home / "keys" / "backup-checked").unlink(missing_ok=True)
