"""One measured command: `python -m tests.bench.export_timed FOLDER COMMAND…`.

A small process of its own, so that what its one child used is what it was told of its children:
CPU, most memory, bytes read from files. Prints them as JSON with exit code and output.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from tests.bench.meter import read_bytes


def main() -> None:
    """Run the command in FOLDER."""
    before, began = read_bytes(), time.monotonic()
    done = subprocess.run(sys.argv[2:], cwd=sys.argv[1], capture_output=True, check=False)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "seconds": seconds, "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024, "file_bytes": read_bytes() - before,
        "code": done.returncode, "out": done.stdout.decode("utf-8", "replace"),
        "errors": done.stderr.decode("utf-8", "replace")}))


if __name__ == "__main__":
    main()
