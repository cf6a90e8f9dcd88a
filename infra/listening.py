"""A listening socket of one of our servers.

Owns the wait for a predecessor that is ending, and the words for a port that somebody else has.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from typing import Final

from schemas.errors import Transient

WAIT_S_MAX: Final = 15.0


def bind(host: str, port: int, taken: Callable[[str], None]) -> socket.socket:
    """A listening socket; waits for a predecessor that is ending, and tells `taken` in words before
    it waits. Raises Transient."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + WAIT_S_MAX
    is_told = False
    while True:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, port))
        except OSError as error:
            found.close()
            if error.errno != errno.EADDRINUSE:
                raise Transient(f"cannot listen on {host}:{port}: {error.strerror}") from error
            words = (f"port {port} of {host} is used by another program: end that one, or choose "
                     "another port (--port)")
            if time.monotonic() >= until:
                raise Transient(words) from error
            if not is_told:
                is_told = True
                taken(words)
            time.sleep(0.1)
            continue
        found.set_inheritable(True)
        return found
