"""The product with its sealing taken out: the control of the canary test, and nothing else.

The same processes on the same stores, but what should be ciphertext is plain, digests are what they
digest, and content is logged and written to a temporary file. What the detector does not find
here it would not find in the product either. Run as a module, with the product's own arguments.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import archive.cell
import archive.unseal
import ingest.delivery
import ingest.mediatask
import ingest.transit
import search.audit
import search.tokens
from infra.cli import main

TAG = bytes(16)


class Open:
    """Stands where AES-GCM stood."""

    def __init__(self, key: bytes) -> None:
        pass

    def encrypt(self, nonce: bytes, data: bytes, associated: bytes | None) -> bytes:
        """As it is."""
        return data + TAG

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes | None) -> bytes:
        """As it was."""
        return data[:-len(TAG)]


def leak(text: str) -> None:
    """What must never be logged, and a temporary file that stays."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
    with tempfile.NamedTemporaryFile(delete=False) as out:
        out.write(text.encode())


def take_out() -> None:
    """From here on nothing is sealed in this process."""
    for module in (ingest.transit, archive.unseal, archive.cell, ingest.mediatask):
        assert hasattr(module, "AESGCM")
        module.AESGCM = Open  # type: ignore[attr-defined]
    ingest.transit.seal_once = lambda archiver, capture_private, label, plain: plain
    # The index keeps a digest of the content: here it keeps the content.
    search.tokens.Tokenizer.digest = (  # type: ignore[method-assign]
        lambda self, label, body: body.decode("utf-8", "replace"))
    take, record = ingest.delivery.Deliverer.take, search.audit.Auditor.record

    def delivering(self: Any, request: Any, parse: Any) -> Any:
        for event in take(self, request, parse).events:
            actor = event.actor
            leak(f"{event.text} {event.native_id} {actor} {event.raw!r}")
        return take(self, request, parse)

    def recording(self: Any, action: str, actor: str, text: str | None, details: Any) -> None:
        leak(f"{action} {text}")
        record(self, action, actor, text, details)

    ingest.delivery.Deliverer.take = delivering  # type: ignore[method-assign]
    search.audit.Auditor.record = recording  # type: ignore[method-assign]


if __name__ == "__main__":
    take_out()
    main()
