"""The firm in figures and names: how capture and reviews go, who signs in, groups and matters.

Owns their shapes. Numbers are those of the viewer's own messages, or the firm's for who sees none;
nothing here holds a word of a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from search import machine
from search.access.people import Wall
from search.figures import DayCount, ReviewFigures
from search.web.api import answers
from search.web.api.given import Given
from search.web.api.glass import person_only
from search.web.api.office import oversight
from search.web.ask import Ask
from search.web.oversight import AccountView, Health, PeopleView, PersonView

DAYS_DEFAULT: Final = 30
DAYS_MAX: Final = 92


def dashboard(ask: Ask) -> Response:
    """How capture goes, how reviews go. Days begin in the firm's zone."""
    given = Given(ask.query)
    days = given.whole("days", 1, DAYS_MAX) or DAYS_DEFAULT
    given.done()
    found = oversight(ask).figures.figures(ask.who, days, ask.parts.settings.zone)
    return answers.said({
        "is_whole": found.is_whole, "problem": found.problem or None,
        "days": [_day(one) for one in found.days],
        "reviews": None if found.reviews is None else _reviews(found.reviews),
        "health": _health(found.health)})


def people(ask: Ask) -> Response:
    """Who signs in, with what, and what the rules say. For a person: a program keeps no accounts.
    """
    Given(ask.query).done()
    person_only(ask)
    found = oversight(ask).people.every(ask.who)
    return answers.said({
        "people": [_person(one) for one in found.people], **_directory(found.groups, found.matters),
        "walls": [_wall(one, found) for one in found.policy.walls],
        "problems": list(found.problems)})


def directory(ask: Ask) -> Response:
    """Groups and matters, as the directory has them now."""
    Given(ask.query).done()
    found = oversight(ask).people.directory(ask.who)
    return answers.said(_directory(found.groups, found.matters))


def _directory(groups: Sequence[tuple[str, Sequence[str], Sequence[str]]],
               matters: Sequence[tuple[str, str, Sequence[str]]]) -> dict[str, Any]:
    return {
        "groups": [{"group": name, "members": list(members), "supervisors": list(supervisors)}
                   for name, members, supervisors in groups],
        "matters": [{"matter": matter, "name": name, "custodians": list(custodians)}
                    for matter, name, custodians in matters],
    }


def _person(one: PersonView) -> dict[str, Any]:
    who = one.person
    return {
        "person": who.person_id, "name": who.name, "active": who.active, "roles": list(who.roles),
        "groups": list(who.groups), "matters": list(who.matters),
        "custodian": who.custodian or None, "reports_to": list(who.reports_to),
        "account": one.account.replace(" ", "_"), "has_totp": one.has_totp, "wait_s": one.wait_s,
    }


def _wall(one: Wall, found: PeopleView) -> dict[str, Any]:
    everybody_but = one.except_people
    return {
        "wall": one.name, "reason": one.reason, "behind": found.behind[one.name],
        "against": None if everybody_but is not None else [*one.against_people,
                                                           *one.against_groups],
        "everybody_but": None if everybody_but is None else list(everybody_but),
    }


def _day(one: DayCount) -> dict[str, Any]:
    return {"day": one.day.name, "channels": dict(one.channels), "total": one.total}


def _reviews(found: ReviewFigures) -> dict[str, Any]:
    return {
        "waiting": dict(found.waiting), "ageing": dict(found.ageing), "overdue": found.overdue,
        "rules": [{"rule": one.rule, "items": one.items, "decided": one.decided,
                   "false_positive": one.false_positive, "clear": one.clear, "breach": one.breach,
                   "precision": one.precision} for one in found.rules],
    }


def _health(found: Health) -> dict[str, Any]:
    return {
        "at": machine.rfc3339(found.at),
        "parts": [{"part": name, "runs": runs} for name, runs in found.runs],
        "alarms": [{"code": one.code, "words": one.words, "since": machine.rfc3339(one.since),
                    "detail": one.detail} for one in found.alarms],
        "unsealed": found.unsealed, "oldest_unsealed_ms": found.unsealed_ms,
        "unindexed": found.unindexed,
        "accounts": [_account(one) for one in found.accounts],
        "accounts_count": found.accounts_count, "silent_count": found.silent_count,
        "unheard_count": found.unheard_count, "custodians_count": found.custodians_count,
        "custodians_without_account": found.custodians_without,
        "gaps": [answers.gap(one) for one in found.gaps],
        "coverage": [{"source": source, "parts": [
            {"part": part, "answer": answer, "words": words} for part, answer, words in parts]}
            for source, parts in found.coverage],
        "problem": found.problem or None,
    }


def _account(one: AccountView) -> dict[str, Any]:
    return {
        "channel": one.channel, "account": one.account, "whose": one.whose or None,
        "last_at": machine.rfc3339(one.last_at), "silence_hours_max": one.hours,
        "is_silent": one.is_silent, "has_notice": one.has_notice,
    }
