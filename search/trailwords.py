"""A record of who did what, as a sentence. Pure.

Owns the words. What a version of this program does not know is shown as it was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schemas import events
from search.audit import VIEW
from search.trail import Record

MESSAGE: Final = "message"      # a link to the message stands in its place

# Action -> what somebody did. {name} is a detail of the record; [message] stands for the message.
_LOOKS: Final[Mapping[str, str]] = MappingProxyType({
    "search": "searched for", "explain": "asked how a query is understood",
    "view": "opened [message]", "attachment": "asked for file {number} of [message]",
    "queue": "looked at the review queue", "claim": "took [message] to review it",
    "release": "ended the claim of {of} on [message]",
    "sign_in": "signed in", "sign_in_step": "was asked for a further step of the sign-in",
    "sign_in_failed": "failed to sign in", "sign_out": "signed out",
    "denied": "was denied {route}", "report": "made the report “{report}”",
    "audit_read": "read this audit", "audit_download": "downloaded records of this audit",
    "dashboard": "looked at the dashboard", "policies_read": "read the policies",
    "policy_test": "looked at what a dry run of {policy} found",
    "people_read": "looked at the people and their accounts",
    "directory_read": "looked at the groups and matters",
    "access_read": "looked at what may be seen", "unmask": "saw the names of [message]",
    "session_ended": "ended a session of their own",
    "password_changed": "changed the password", "totp_set": "set up an authenticator",
    "recovery_code_used": "used a recovery code", "recovery_codes_made": "made recovery codes",
    "token_added": "made the access token {name}", "token_revoked": "revoked an access token",
    "oidc_subject_bound": "signed in with the firm’s own login for the first time",
    "account_added": "made an account for {person}",
    "account_password": "gave {person} a new password",
    "account_totp_forgotten": "had the authenticator of {person} forgotten",
    "account_disabled": "disabled the account of {person}",
    "account_enabled": "enabled the account of {person}",
    "account_subject_forgotten": "undid the binding of {person} to the firm’s own login",
    "account_sessions_ended": "ended sessions of {person}",
    "holds_listed": "looked at the legal holds", "hold_shown": "opened the legal hold {hold}",
    "hold_simulated": "tried what a legal hold would keep: {scope}",
    "retention_simulated": "tried what would end at a date",
    "exports_listed": "looked at the exports", "export_shown": "opened the export {export}",
    "export_preview": "looked how much an export would be",
    "export_run": "had the package of the export {export} made",
    "export_downloaded": "downloaded the package of the export {export}",
    "break_glass_requested": "asked to break the glass: {what}, for {minutes} minutes",
    "break_glass_approved": "opened {what} to {for}, for {minutes} minutes",
    "break_glass_refused": "refused {for} to break the glass: {what}",
    "break_glass_used": "used what was opened: {what}",
    "break_glass_ended": "ended what was opened to {for}: {what}; {how}",
})
_REVIEWS: Final[Mapping[str, str]] = MappingProxyType({
    "decide": "decided on [message]: {decision}", "confirm": "confirmed “{decision}” on [message]",
    "object": "objected to the decision on [message]", "assign": "gave [message] to {to}",
    "note": "wrote a note on [message]", "tag": "tagged [message] “{tag}”",
    "untag": "took the tag “{tag}” off [message]", "reopen": "opened [message] again for review",
    "unmask": "saw the names of [message]",
})
_POLICIES: Final[Mapping[str, str]] = MappingProxyType({
    "in_force": "The policies in force changed: {policies}",
    "dry_run": "tried {policies} on the archive", "replay": "replayed {policies} over the archive",
})
_OF: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({
    events.AUDIT: _LOOKS, events.REVIEW: _REVIEWS, events.POLICY: _POLICIES,
    events.DIRECTORY: MappingProxyType({
        "access": "brought another access.toml into force: {changed} changes",
        "": "A changed directory.toml came into force", "import": "imported {file} in bulk"}),
    events.HOLD: MappingProxyType({
        "placed": "placed the legal hold “{name}” ({hold})",
        "release_asked": "asked for the release of the legal hold {hold}: {reason}",
        "release_granted": "granted the release of the legal hold {hold}: {reason}",
        "release_refused": "refused the release of the legal hold {hold}: {reason}"}),
    events.EXPORT: MappingProxyType({
        "requested": "asked for the export {export}",
        "approved": "agreed to the export {export}", "refused": "refused the export {export}",
        "begun": "began the package of the export {export}",
        "finished": "finished the package of the export {export}",
        "handed_over": "recorded that the export {export} was handed over"}),
    events.ASSIGNMENT: MappingProxyType({"": "The messages of an account were assigned"}),
    events.NOTICE: MappingProxyType({"": "A notice of capture was recorded"}),
})
# What a reader may choose from.
ACTIONS: Final = tuple(sorted({action for of in _OF.values() for action in of if action}))
_NAMES: Final[Mapping[str, str]] = MappingProxyType({
    "decision": "", "false_positive": "false positive", "clear": "clear", "breach": "breach",
    "escalate": "escalate"})
# Details that a reader needs last, and those that the sentence says already.
_HIDDEN: Final = frozenset({"action"})
_ORDINAL: Final = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """`before` the message, the message's id ("" = none), `after` it. `quoted`: what was typed, to
    be shown as it is; of a question it stands before `after`, else behind it."""

    before: str
    document: str
    after: str
    quoted: str
    is_question: bool = False


def sentence(one: Record) -> Sentence:
    """What a record says, after the person's name."""
    if one.problem:
        return Sentence(f"A record that cannot be read ({one.kind})", one.document, "", "")
    known = _OF.get(one.kind, {})
    form = known.get(one.action)
    if form is None:
        form = f"{one.kind}: {one.action}" if one.action else one.kind
    quoted = one.text or ""
    listed = len(one.detail("shown").split())
    if one.is_listed:
        where = "in its conversation" if one.detail("conversation") else (
            f"in an answer ({one.action})")
        return Sentence("was shown", one.document, where, quoted)
    if one.kind == events.AUDIT and one.action == VIEW and not one.document:
        return Sentence("opened a conversation", "", f"({listed} messages shown)", quoted)
    before, _, after = _filled(form, one).partition("[message]")
    is_question = one.kind == events.AUDIT and one.action in ("search", "explain")
    if is_question:
        after = _found(one)
    tail = " ".join(part for part in (after.strip(), _times(one)) if part)
    return Sentence(before.strip(), one.document, tail, quoted, is_question)


def particulars(one: Record) -> tuple[tuple[str, str], ...]:
    """The details as they were recorded, for who opens them."""
    return tuple((name.replace("_", " "), value) for name, value in one.details
                 if name not in _HIDDEN and value)


def spoken(one: Record, person: str) -> str:
    """The whole as one line, for a sheet."""
    said = sentence(one)
    quoted = f"“{said.quoted}”" if said.quoted else ""
    tail = (quoted, said.after) if said.is_question else (said.after, quoted)
    parts = (person, said.before, f"message {said.document}" if said.document else "", *tail)
    return " ".join(part for part in parts if part)


def ordinal(number: int) -> str:
    """ "1st", "2nd", "11th"."""
    ending = "th" if 10 <= number % 100 <= 20 else _ORDINAL.get(number % 10, "th")
    return f"{number}{ending}"


def _filled(form: str, one: Record) -> str:
    out = form
    for name, value in one.details:
        out = out.replace(f"{{{name}}}", _NAMES.get(value, value) or value)
    while "{" in out and "}" in out[out.index("{"):]:
        start = out.index("{")
        out = f"{out[:start]}…{out[out.index('}', start) + 1:]}"
    return out


def _times(one: Record) -> str:
    if one.nth < 2:
        return ""
    return f"for at least the {ordinal(one.nth)} time" if one.at_least else (
        f"for the {ordinal(one.nth)} time")


def _found(one: Record) -> str:
    if one.detail("refused"):
        return "(it was too broad)"
    if one.detail("facets"):
        return "(counts for narrowing it down)"
    total, shown = one.detail("total"), one.detail("shown")
    if not total:
        return ""
    listed = len(shown.split())
    return f"({total} found" + (f", {listed} shown)" if shown else ")")
