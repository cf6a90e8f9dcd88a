"""Policies and messages for the tests: one rule around a query, one message around a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas import events
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search.policy.conditions import Firm
from search.policy.flags import Flag
from search.policy.lexicon import Lexicon
from search.policy.loading import load
from search.policy.match import Engine
from search.policy.message import Message, message_of
from tests.search.world import ANN, DESK, NOON, edit, event, retraction

__all__ = ["NOON", "edit", "event", "retraction"]

HEAD = """
id = "outcome"
version = 1
title = "Promises of an outcome"
author = "Ann Lee"
approver = "Bob Roe"
effective = 2026-01-01
severity = "high"
"""
MINUTE = 60_000


def policy(rule: str, head: str = HEAD) -> Lexicon:
    """A policy with one rule; `rule` without its id and why."""
    return load(f'{head}\n[[rule]]\nid = "it"\nwhy = "Not allowed."\n{rule}\n'.encode())


def said(text: str | None, at: int = NOON, native_id: str = "m1", *, out: bool = True,
         **more: Any) -> CapturedEvent:
    """The desk (or Ann) writes `text`."""
    return event(native_id=native_id, text=text, **{
        "occurred_at": at, "captured_at": at + 1_000, "actor": DESK if out else ANN,
        "direction": events.OUT if out else events.IN, **more})


def of(*captured: CapturedEvent) -> Message:
    """The message of these events."""
    found = message_of(message_key(captured[0]), captured)
    assert found is not None
    return found


def talk(*texts: str | tuple[str, bool], every: int = MINUTE) -> list[Message]:
    """A conversation, one message after the other; (text, False) = Ann's."""
    return [of(said(text if isinstance(text, str) else text[0], NOON + n * every, f"m{n}",
                    out=isinstance(text, str) or text[1]))
            for n, text in enumerate(texts)]


def flags(rule: str, message: Message, around: Sequence[Message] = (), *, head: str = HEAD,
          firm: Firm | None = None) -> tuple[Flag, ...]:
    """The flags of one rule."""
    return Engine([policy(rule, head)], firm).flags(message, around)


def hits(rule: str, *texts: str) -> list[str]:
    """Those of `texts` that a rule flags."""
    engine = Engine([policy(rule)])
    return [text for text in texts if engine.flags(of(said(text)))]


def shown(flag: Flag, *messages: Message) -> list[str]:
    """What is highlighted, in the words of the messages."""
    texts = {version.event_id: version.text or "" for one in messages for version in one.versions}
    return [texts[place.version][start:end] for place in flag.places
            for start, end in place.ranges]
