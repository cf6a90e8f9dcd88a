"""The roles, and what each may do. Pure.

Owns the one table of role and capability. A capability says what somebody may do; of whose
messages, is the scope's (people.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from schemas import events

SEARCH: Final = "search"
VIEW: Final = "view"
PRIVILEGED: Final = "privileged"            # what is withheld from supervision is seen too
QUEUE: Final = "queue"
DECIDE: Final = "decide"
ASSIGN: Final = "assign"
SECOND: Final = "second"                    # the second pair of eyes
BULK: Final = "bulk"
REOPEN: Final = "reopen"
UNMASK: Final = "unmask"                    # see names behind pseudonyms, with a reason
POLICY_READ: Final = "policy_read"
POLICY_TEST: Final = "policy_test"
AUDIT: Final = "audit"
REPORTS: Final = "reports"
DASHBOARD: Final = "dashboard"
ACCOUNTS: Final = "accounts"
DIRECTORY: Final = "directory"
BREAK_GLASS: Final = "break_glass"          # ask for more, for a time
BREAK_GLASS_APPROVE: Final = "break_glass_approve"
TOKENS: Final = "tokens"                    # one's own
SAMPLE_READ: Final = "sample_read"
HOLD_READ: Final = "hold_read"
HOLD_PLACE: Final = "hold_place"
DISPOSE: Final = "dispose"                  # list what is due, and approve another's list
HOLD_RELEASE: Final = "hold_release"        # ask for a release, and grant somebody else's request
EXPORT: Final = "export"                    # ask for a package, and approve another's request

CAPABILITIES: Final = frozenset({
    SEARCH, VIEW, PRIVILEGED, QUEUE, DECIDE, ASSIGN, SECOND, BULK, REOPEN, UNMASK, POLICY_READ,
    POLICY_TEST, AUDIT, REPORTS, DASHBOARD, ACCOUNTS, DIRECTORY, BREAK_GLASS, BREAK_GLASS_APPROVE,
    TOKENS, SAMPLE_READ, HOLD_READ, HOLD_PLACE, HOLD_RELEASE, DISPOSE,
    EXPORT,
})
# Whoever has one of these is shown messages, or answers that follow from messages.
CONTENT: Final = frozenset({
    SEARCH, VIEW, PRIVILEGED, QUEUE, DECIDE, ASSIGN, SECOND, BULK, REOPEN, UNMASK, POLICY_TEST,
    SAMPLE_READ, BREAK_GLASS, EXPORT,
})

REVIEWER: Final = "reviewer"
SUPERVISOR: Final = "supervisor"
COMPLIANCE: Final = "compliance"
LEGAL: Final = "legal"
AUDITOR: Final = "auditor"
ADMINISTRATOR: Final = "administrator"

_REVIEWER: Final = frozenset({SEARCH, VIEW, QUEUE, DECIDE, POLICY_READ, BREAK_GLASS})
_SUPERVISOR: Final = _REVIEWER | {
    ASSIGN, SECOND, BULK, REOPEN, UNMASK, POLICY_TEST, REPORTS, DASHBOARD, SAMPLE_READ}
ROLES: Final[Mapping[str, frozenset[str]]] = MappingProxyType({
    REVIEWER: _REVIEWER,
    SUPERVISOR: _SUPERVISOR,
    COMPLIANCE: _SUPERVISOR | {AUDIT, HOLD_READ, HOLD_RELEASE, TOKENS, BREAK_GLASS_APPROVE,
                              DISPOSE, EXPORT},
    LEGAL: frozenset({SEARCH, VIEW, PRIVILEGED, UNMASK, HOLD_READ, HOLD_PLACE, HOLD_RELEASE, TOKENS,
                      BREAK_GLASS, BREAK_GLASS_APPROVE, DISPOSE, EXPORT}),
    # Figures and records of who did what; no message.
    AUDITOR: frozenset({AUDIT, REPORTS, DASHBOARD, POLICY_READ}),
    ADMINISTRATOR: frozenset({ACCOUNTS, DIRECTORY, DASHBOARD}),
})

# Capability -> which of the firm's own records it shows.
FIRM_KINDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType({
    AUDIT: frozenset({events.AUDIT, events.REVIEW, events.POLICY, events.DIRECTORY, events.EXPORT,
                      events.HOLD, events.ASSIGNMENT, events.NOTICE, events.GAP,
                      events.DISPOSITION}),
    REPORTS: frozenset({events.REVIEW}),
    DASHBOARD: frozenset({events.GAP}),
    POLICY_READ: frozenset({events.POLICY}),
    HOLD_READ: frozenset({events.HOLD}),
    DISPOSE: frozenset({events.DISPOSITION}),
    EXPORT: frozenset({events.EXPORT}),
    DIRECTORY: frozenset({events.DIRECTORY, events.ASSIGNMENT, events.NOTICE}),
})


def capabilities(roles: Iterable[str]) -> frozenset[str]:
    """What somebody with these roles may do: all of it together. A role that is none may nothing.
    """
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


def firm_kinds(may: Iterable[str]) -> frozenset[str]:
    """Which of the firm's own records these capabilities show."""
    return frozenset().union(*(FIRM_KINDS.get(one, frozenset()) for one in may))


def sees_content(may: Iterable[str]) -> bool:
    """Whether messages are shown to somebody who may do this."""
    return not CONTENT.isdisjoint(may)
