"""What the configuration gives each door: its secrets, or why it stays closed (PROTOCOL C2).

Owns that one door's trouble is its own: a secret's file that is not there or empty closes that door
and names it, and everything else starts. What is said to an operator comes from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.config import Config, NotRead
from schemas.errors import Refused

# By door: its secret, and what else it needs.
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "whatsapp": ("whatsapp_app_secret", "whatsapp_verify_token"),
    "twilio": ("twilio_auth_token",),
}
# Whoever knows it can sign in the provider's name, so it must not be guessed. The verify token is
# the operator's free choice, and opens nothing but the handshake.
_SIGNING: Final = ("whatsapp_app_secret", "twilio_auth_token")
_SECRET_CHARS_MIN: Final = 8


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """By door or setting. `closed`: what a door lacks although it was meant to have it, in words;
    `unset`: the settings of a door that nobody set; `short`: remarks on secrets that can be
    guessed. `public_url` is "" when it is not set."""

    secrets: Mapping[str, tuple[bytes, ...]] = field(repr=False)
    public_url: str
    closed: Mapping[str, str]
    unset: Mapping[str, tuple[str, ...]]
    short: tuple[str, ...]

    def lacks(self, door: str) -> str:
        """What an operator reads of a door that lacks something; "" = it is open."""
        unset = ", ".join(f"COUNTERFOIL_{name.upper()}" for name in self.unset[door])
        said = (self.closed.get(door, ""), f"{unset} not set" if unset else "")
        return "; ".join(one for one in said if one)


def door_settings(config: Config) -> DoorSettings:
    """Every door's. Raises Refused for a public_url that is none: no door would be right."""
    secrets: dict[str, tuple[bytes, ...]] = {}
    closed: dict[str, list[str]] = {}
    unset: dict[str, tuple[str, ...]] = {}
    for door, names in _NEEDED.items():
        for name in names:
            try:
                secrets[name] = config.secrets_of(name)
            except Refused as error:
                secrets[name] = ()
                closed.setdefault(door, []).append(str(error))
            else:
                unset[door] = (*unset.get(door, ()), *([] if secrets[name] else [name]))
        unset.setdefault(door, ())
    try:
        public_url = config.base_url()
    except NotRead as error:
        # Twilio signs the URL: without it every request would fail its check.
        public_url = ""
        secrets["twilio_auth_token"] = ()
        closed.setdefault("twilio", []).append(str(error))
    short = tuple(
        f"{name} has a value of fewer than {_SECRET_CHARS_MIN} characters: it can be guessed, and "
        "who guesses it can deliver in the provider's name"
        for name in _SIGNING if any(len(one) < _SECRET_CHARS_MIN for one in secrets[name]))
    return DoorSettings(secrets, public_url,
                        {door: "; ".join(words) for door, words in closed.items()}, unset, short)
