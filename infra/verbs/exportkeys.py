"""`counterfoil export keys`: the two keys that a recipient should be told by another way.

Owns the words. A package brings its own keys; only keys that came otherwise show whose it is.
"""

from __future__ import annotations

import shlex

from infra.exportlog import signer_of
from infra.verbs.screen import OUT, emit
from infra.wire import Wire
from search.export.certificate import VERIFY


def keys(wire: Wire, *, json: bool) -> int:
    """The log's keys and the package's, as `verify.py` takes them. Raises Missing where this
    machine has none of them."""
    logs = [one.vkey() for one in wire.log_keys()]
    package = signer_of(wire).key.vkey()
    if json:
        emit({"log": logs, "package": package})
        return 0
    for one in logs:
        OUT.print(f"log      {one}", soft_wrap=True)
    OUT.print(f"package  {package}", soft_wrap=True)
    OUT.print("\nTell them to whoever gets a package, by another way than the package. Then:",
              soft_wrap=True)
    told = " ".join(f"--log-key {shlex.quote(one)}" for one in logs)
    OUT.print(f"    {VERIFY} {told} --package-key {shlex.quote(package)}",
              soft_wrap=True)
    return 0
