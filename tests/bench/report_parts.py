"""What every section of the report has: tables, and where it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def where(found: dict[str, Any]) -> str:
    """The machine and the day, in one line."""
    on = found["machine"]
    quick = " **A quick run: too short to quote.**" if found["quick"] else ""
    return (f"*{found['date']}, {on['processor']}, {on['cores']} cores, {on['memory_gb']} GB, "
            f"{on['system']}, Python {on['python']}; {on['libraries']}; load average before: "
            f"{found['load_before'][0]}.{quick}*")


def table(rows: Iterable[Sequence[str]]) -> str:
    """The first row is the head."""
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(one) + " |" for one in body]
    return "\n".join(lines)
