"""The bytes of a TOML file -> its text and its tables, or why not. Pure.

Owns the bound and the words of a refusal, the same for every file that people write.
"""

from __future__ import annotations

import tomllib
from typing import Any

from schemas.errors import Refused


def read(source: bytes, name: str, bytes_max: int) -> tuple[str, dict[str, Any]]:
    """(text, tables). Raises Refused for what is no TOML or longer than `bytes_max`; `name` is the
    file's in the message."""
    if len(source) > bytes_max:
        raise Refused(f"{name}: {len(source)} bytes; at most {bytes_max} are read")
    try:
        text = source.decode("utf-8")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise Refused(f"{name} line {line}: not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{name}: {error}") from error
    except RecursionError as error:
        raise Refused(f"{name}: nested too deep") from error
