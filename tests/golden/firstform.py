"""Key records as the first program wrote them: nothing binds their date and their KEK's name.

Owns the way back to that form, for tests of what must be read for ever. The program writes none.
"""

from __future__ import annotations

from archive import keyring
from archive.keyring import KeyService


def in_first_form(record: bytes, name: str, service: KeyService) -> bytes:
    """The record of `name` with its facts bound to domain and generation alone; its key's wrap,
    its date and its KEK's name as they are."""
    opened = keyring.opened(record, name, service)
    assert opened is not None
    fields = keyring._read_record(record)
    bound = keyring.context_of(*keyring.read_name(name)) + b"facts"
    return keyring._written(fields | {"facts": service.wrap(opened.facts, bound)})


def restated(record: bytes, **fields: object) -> bytes:
    """The record with other fields, by somebody who cannot wrap."""
    return keyring._written(keyring._read_record(record) | fields)
