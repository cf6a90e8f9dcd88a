"""Guided fuzzing of every parser, with atheris: `python -m tests.ingest.guided [SECONDS]`.

Owns nothing but the list: the properties are those of the tests, whose inputs atheris chooses by
the lines that they reach. Not part of the tests, since what it finds depends on how long it runs.
`pip install atheris` first; it has wheels for some Pythons only, so it stands in no lock file.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from typing import Any, Final

SECONDS_DEFAULT: Final = 20
TARGETS: Final = (
    "tests.ingest.test_whatsapp_robust:test_any_bytes_are_kept",
    "tests.ingest.test_whatsapp_robust:test_any_json_in_any_place_is_kept",
    "tests.ingest.test_whatsapp_export_fuzz:test_any_text_is_read_without_losing_a_byte",
    "tests.ingest.test_whatsapp_export_fuzz:test_any_zip_is_read_or_refused",
    "tests.ingest.test_whatsapp_export_fuzz:test_any_stamp_is_read_or_not",
    "tests.ingest.test_sms_backup_fuzz:test_any_bytes_after_a_beginning",
    "tests.ingest.test_sms_backup_fuzz:test_any_markup",
)


def fuzz(target: str, seconds: int) -> None:
    """In this process, which ends with it."""
    atheris: Any = importlib.import_module("atheris")
    module, name = target.split(":")
    with atheris.instrument_imports(include=["ingest"]):
        test = getattr(importlib.import_module(module), name)
    options = [f"-max_total_time={seconds}", "-print_final_stats=1", "-verbosity=0",
               "-rss_limit_mb=1024", "-timeout=10"]
    atheris.Setup([sys.argv[0], *options], test.hypothesis.fuzz_one_input)
    atheris.Fuzz()


def main() -> int:
    """Each target in a process of its own; 1 when one found something."""
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here: pip install atheris", file=sys.stderr)
        return 2
    if len(sys.argv) > 2:
        fuzz(sys.argv[2], int(sys.argv[1]))
        return 0
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS_DEFAULT
    worst = 0
    for target in TARGETS:
        done = subprocess.run([sys.executable, "-m", "tests.ingest.guided", str(seconds), target],
                              capture_output=True, text=True, check=False)
        runs = [line.split()[-1] for line in done.stderr.splitlines()
                if "number_of_executed_units" in line]
        print(f"{target}: {runs[0] if runs else '?'} inputs, "
              f"{'nothing found' if done.returncode == 0 else 'FOUND'}", flush=True)
        if done.returncode:
            print(done.stderr[-4_000:], file=sys.stderr)
            worst = 1
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
