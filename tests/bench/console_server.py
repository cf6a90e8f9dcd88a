"""The measured process: the console on a data folder, as `counterfoil console` runs it.

`python -m tests.bench.console_server HOME PARENT [--profile]`. Owns nothing of it: the product's
ConsoleProcess is started, its address said on the first line, and on the last, when it is told to
end, what it used. A line on stdin asks for what was sampled since the last one.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from infra.config import load
from infra.console import ConsoleProcess
from infra.hardening import end_with_parent
from infra.wire import Wire
from tests.bench.console_profile import Sampler
from tests.bench.meter import cpu_s, peak_mb


def main() -> int:
    """Until SIGTERM."""
    home, parent, *options = sys.argv[1:]
    # What it says of itself is for who looks on; our answers have the other to themselves.
    sys.stdout = sys.stderr
    end_with_parent(int(parent))
    process = ConsoleProcess(Wire(load(home)), None, 0)
    sampler = Sampler() if "--profile" in options else None
    _say({"url": process.url})
    threading.Thread(target=_answer, args=(sampler,), daemon=True, name="bench").start()
    if sampler is not None:
        sampler.start()
    code = process.run()
    _say({"peak_mb": peak_mb(), "cpu_s": cpu_s()})
    return code


def _answer(sampler: Sampler | None) -> None:
    for _ in sys.stdin:
        _say(sampler.taken() if sampler is not None else {})


def _say(said: dict[str, Any]) -> None:
    print(json.dumps(said), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    sys.exit(main())
