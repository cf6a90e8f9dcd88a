"""Sign-in, put together from a configuration: the files, the state, the provider.

Owns the composition. The console and the verbs `account` and `token` use the same parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from infra.accounts import AccountFile
from infra.config import Config, text_of
from infra.wire import Wire
from schemas.errors import Refused
from search.access.accounts import standing_of
from search.access.breakglass import Records
from search.access.federated import OidcSignIn
from search.access.gate import Gate
from search.access.lockout import Lockout
from search.access.manage import AccountAdmin
from search.access.oidc import OidcSettings, Provider
from search.access.own import OwnAccount
from search.access.passwords import Parameters, Passwords, parameters_for
from search.access.people import AccessPolicy
from search.access.sessions import Sessions, SessionSettings
from search.access.signin import Parts, SignIn
from search.access.state import StateStore

STATE_FILE: Final = "state.db"
# Where a provider sends the browser back to, below the console's address.
CALLBACK: Final = "/sign-in/callback"


def state_store(wire: Wire) -> StateStore:
    """Beside the index: in `state.db`, or in an index of its own."""
    if wire.config.index.driver == "sqlite":
        from infra.embedded.state import SqliteState

        return SqliteState(wire.home / STATE_FILE, wire.clock)
    from infra.elastic import connect
    from infra.elastic_state import ElasticState

    index = wire.config.index
    client = connect(index.url, api_key=text_of(index.api_key_file),
                     ca_certs=str(index.ca_file) if index.ca_file else None)
    return ElasticState(client, index.name, wire.clock)


@dataclass
class Desk:
    """Everything of sign-in, over one set of parts. `policy`: access.toml as it is now; `records`:
    on the log when it returns (search.audit.Auditor)."""

    wire: Wire
    policy: Callable[[], AccessPolicy]
    records: Records
    state: StateStore
    parameters: Parameters | None = None

    @cached_property
    def parts(self) -> Parts:
        """What sign-in works with."""
        wire, accounts = self.wire, AccountFile(self.wire.home)
        parameters = self.parameters or parameters_for(memory_bytes())
        return Parts(
            self.policy, accounts, self.state, self.records,
            Passwords(wire.random, parameters),
            Sessions(self.state, standing_of(self.policy, accounts), wire.clock, wire.random,
                     self._session_settings),
            Lockout(self.state, wire.clock), wire.clock, wire.random)

    @cached_property
    def sign_in(self) -> SignIn:
        """With a password."""
        return SignIn(self.parts)

    @cached_property
    def gate(self) -> Gate:
        """Who is asking."""
        return Gate(self.parts, self.sign_in)

    @cached_property
    def own(self) -> OwnAccount:
        """One's own account."""
        return OwnAccount(self.parts, self.sign_in)

    @cached_property
    def admin(self) -> AccountAdmin:
        """The accounts of others."""
        return AccountAdmin(self.parts)

    @cached_property
    def oidc(self) -> OidcSignIn | None:
        """With the firm's provider; null where none is configured. Raises Refused for one that is
        configured wrong."""
        settings = oidc_settings(self.wire.config)
        if settings is None:
            return None
        from infra.oidchttp import ProviderHttp

        return OidcSignIn(self.parts, self.sign_in,
                          Provider(settings, ProviderHttp(), self.wire.clock))

    def _session_settings(self) -> SessionSettings:
        settings = self.policy().settings
        return SessionSettings(settings.session_minutes * 60, settings.session_hours_max * 3_600)


def oidc_settings(config: Config) -> OidcSettings | None:
    """The provider that is configured, or null. Raises Refused for half of one."""
    console = config.console
    if not console.oidc_issuer:
        return None
    if not console.oidc_client_id:
        raise Refused("console.oidc_issuer is set and console.oidc_client_id is not")
    return OidcSettings(
        console.oidc_issuer, console.oidc_client_id, config.console_url().rstrip("/") + CALLBACK,
        text_of(console.oidc_client_secret_file) or "", console.oidc_claim, console.oidc_name)


def memory_bytes() -> int:
    """Of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
