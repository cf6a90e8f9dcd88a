"""Who lists and who approves what is destroyed: people of access.toml, each with a password.

Owns the question "is it really you" on a command line. Outside a trial nobody is taken at his word:
two names of one login would be one person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.reviewing import policy_of
from infra.signin import Desk, state_store
from infra.verbs.audit import acting, record_act
from infra.wire import Wire
from schemas.errors import Denied, Refused
from search.access import roles
from search.access.sessions import Origin
from search.access.signin import NeedsCode, Signed

_MAY_NOT = {
    roles.DISPOSE: "your role may not list or approve what is destroyed",
    roles.EXPORT: "your role may not ask for exports or approve them: legal and compliance may",
    roles.HOLD_RELEASE: "your role may not release a legal hold: legal and compliance may",
}
_ORIGIN = Origin("command line", "counterfoil disposition")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who says to act: a person of access.toml with the password, and the code of the telephone.
    `person` "" = whoever has this login, in a trial only."""

    person: str = ""
    password: str = ""
    code: str = ""


class _CommandRecords:
    """What sign-in writes down is on the log when `record` returns."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        """See search.access.breakglass.Records."""
        del text
        record_act(self._wire, action, {**details, "person": actor})


def is_real(wire: Wire) -> bool:
    """Whether anything here was archived for longer than a trial. Decrypts nothing; of an archive
    that is not a trial's it reads one segment."""
    reader = wire.reader()
    return any(not cell.trial for place in reader.partitions()
               for cell in reader.survey(*place, lambda _domain: False))


def who(wire: Wire, said: Identity, needs: str = roles.DISPOSE) -> str:
    """The person's id, or in a trial the login. `needs`: the capability that he must have. Raises
    Refused, Denied; what is wrong is recorded, and who guesses has to wait, as at the console."""
    if not said.person:
        if not wire.config.retention.trial:
            raise Refused("say who you are: --as PERSON of access.toml, with your password. Two "
                          "people are needed, and a login is not one")
        if is_real(wire):
            # Else whoever may edit the settings could be two people for as long as it takes.
            raise Refused("this archive was not begun as a trial, so a login is not enough: set "
                          "retention.trial = false, or say who you are with --as PERSON")
        return acting(wire)
    policy = policy_of(wire)
    desk = Desk(wire, lambda: policy, _CommandRecords(wire), state_store(wire))
    step = desk.sign_in.begin(said.person, said.password, _ORIGIN, said.code)
    if isinstance(step, NeedsCode):
        raise Refused("--code: the code that your telephone shows")
    if not isinstance(step, Signed):
        raise Refused("sign in at the console first: your account is not set up yet")
    # It was asked who this is, and no more: no session stays.
    desk.parts.sessions.end(step.secret)
    person = policy.active(step.live.person)
    if needs not in roles.capabilities(person.roles):
        raise Denied(_MAY_NOT[needs])
    return person.person_id
