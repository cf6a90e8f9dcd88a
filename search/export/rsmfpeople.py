"""The participants of an RSMF file: who they are, under which ids, and how they look in a header.

Owns the ids (P1, P2 … in the slice's order of parties, then as they turn up) and the addresses that
an email header asks for where a source knows numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from schemas.events import Identity
from search.export import loadfile_text as words

UNKNOWN: Final = "unknown"
_NOBODY: Final = Identity("", "unknown")
# RFC 2606: an address below it reaches nobody.
_DOMAIN: Final = "counterfoil.invalid"
_LOCAL_CHARS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-")
_LOCAL_MAX: Final = 64


def custom(pairs: Iterable[tuple[str, str | None]]) -> list[dict[str, str]]:
    """Custom properties. A value may be neither empty nor null (the schema's rule): such a pair is
    left out, it says nothing."""
    return [{"name": name, "value": value} for name, value in pairs if value]


def bare(account: str) -> str:
    """A number is written with and without its plus."""
    return account.removeprefix("+").lower()


class People:
    """Who takes part. `channel` is part of their addresses."""

    def __init__(self, channel: str, parties: Iterable[Identity], account: str,
                 firm: Iterable[str], custodian: str) -> None:
        self._channel = "".join(one for one in channel.lower()
                                if one.isascii() and one.isalnum()) or "chat"
        self._people: dict[str, Identity] = {}
        self._names: dict[str, list[str]] = {}
        self._numbers: dict[str, str] = {"": UNKNOWN}
        self._firm = {bare(one) for one in firm} | ({bare(account)} if account else set())
        self._custodian_name = custodian
        for one in parties:
            self.id_of(one)
        self.members = tuple(self._people)
        self._custodian = next((one for one in self._people if bare(one) == bare(account)), None)
        if self._custodian is None and account:
            # Whose data it is takes part, whether a message names the account or not.
            self.id_of(Identity(account, "unknown"))
            self._custodian = account
            self.members = (*self.members, account)

    @property
    def custodian(self) -> str:
        """The id of whose data it is; "" = the account is not known."""
        return "" if self._custodian is None else self._numbers[self._custodian]

    def id_of(self, who: Identity | None) -> str:
        """The participant's id, a new one where he is new; nobody is one participant, too."""
        one = who or _NOBODY
        self._people.setdefault(one.native_id, one)
        self._numbers.setdefault(one.native_id, f"P{len(self._numbers)}")
        names = self._names.setdefault(one.native_id, [])
        if one.display_name and one.display_name not in names:
            names.append(one.display_name)
        return self._numbers[one.native_id]

    def ids(self, members: Iterable[str]) -> list[str]:
        """Ids of native ids."""
        return [self._numbers[one] for one in members]

    def rows(self) -> list[dict[str, Any]]:
        """The manifest's participants."""
        out = []
        for native_id, one in self._people.items():
            names = self._names[native_id]
            row: dict[str, Any] = {"id": self._numbers[native_id],
                                   "display": self.name(native_id)}
            if native_id:
                row["account_id"] = native_id
            said = custom([
                ("Kind of id", one.id_type if native_id else None),
                ("Side", "firm" if bare(native_id) in self._firm else None),
                ("Custodian", self._custodian_name if native_id == self._custodian else None),
                *(("Also shown as", name) for name in names[1:])])
            if said:
                row["custom"] = said
            out.append(row)
        return out

    def name(self, native_id: str) -> str:
        """What somebody is called."""
        names = self._names[native_id]
        return names[0] if names else native_id or "not known"

    def name_of(self, who: Identity | None) -> str:
        """What somebody is called who may not have turned up before."""
        if who is None:
            return "not known"
        self.id_of(who)
        return self.name(who.native_id)

    def mailbox(self, native_id: str) -> tuple[str, str]:
        """(name, address) for a header, in which nothing of the name is obeyed."""
        local = "".join(one if one in _LOCAL_CHARS else f"_{ord(one):x}" for one in native_id)
        if len(local) > _LOCAL_MAX:
            # Two long ids may begin alike.
            digest = sha256(native_id.encode()).hexdigest()[:16]
            local = f"{local[:_LOCAL_MAX - 17]}_{digest}"
        return words.one_line(self.name(native_id)), (
            f"{local or UNKNOWN}@{self._channel}.{_DOMAIN}")

    def sender(self) -> str | None:
        """The native id of the one person of `From`: the custodian, else the first there is."""
        return self._custodian or next(iter(self._people), None)

    def everybody(self) -> tuple[str, ...]:
        """Native ids of everybody who is known, in order."""
        return tuple(one for one in self._people if one)
