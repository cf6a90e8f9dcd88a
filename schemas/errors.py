"""Errors, grouped by what the caller must do.

Owns the tree and the exit codes; every package raises these and only these across a boundary.

    CounterfoilError
    ├── Transient   nothing was decided: the same call may be tried again        exit 75
    │   └── Ambiguous   it may or may not have been applied: read back, then try  exit 75
    ├── Refused     this input is not acceptable: quarantine it, go on            exit 65
    │   ├── QueryError  a question that cannot be read; points at the character   exit 2
    │   └── Denied      not for whoever asks                                      exit 77
    ├── Exists      a create-once name is taken: read the winner                  exit 73
    ├── Missing     the named thing is not there                                  exit 66
    └── Halt        the state of the world is unknown: stop the process           exit 70
"""

from __future__ import annotations

import unicodedata


class CounterfoilError(Exception):
    """The root: never raised itself."""

    exit_code = 70


class Transient(CounterfoilError):
    """Nothing was decided; the caller tries again."""

    exit_code = 75


class Ambiguous(Transient):
    """The call may have been applied; the caller reads back before it tries again."""


class Refused(CounterfoilError):
    """This input is refused with a reason; the caller quarantines it and goes on."""

    exit_code = 65


class Exists(CounterfoilError):
    """A create-once name is taken (HTTP 412, EEXIST); the caller reads the winner."""

    exit_code = 73


class Missing(CounterfoilError):
    """The named thing is not there."""

    exit_code = 66


class Halt(CounterfoilError):
    """State that must not be guessed at; the process stops with the finding's code."""

    exit_code = 70

    def __init__(self, finding: str, detail: str) -> None:
        super().__init__(f"{finding}: {detail}")
        self.finding = finding
        self.detail = detail

    def __reduce__(self) -> tuple[type[Halt], tuple[str, str]]:
        """As it was made: a worker process hands its own to the process that waits for it."""
        return Halt, (self.finding, self.detail)


class QueryError(Refused):
    """A query that cannot be read. `position` is the offset of the character, from 0."""

    exit_code = 2

    def __init__(self, query: str, position: int, message: str) -> None:
        super().__init__(message)
        self.query = query
        self.position = position
        self.message = message

    def pointed(self) -> str:
        """The query, a caret under the character, and what was expected.

        Wide characters count two columns, marks none; tabs and line ends are shown as spaces.
        """
        line = "".join(" " if char in "\t\r\n\v\f" else char for char in self.query)
        columns = sum(_width(char) for char in line[:self.position])
        return f"{line}\n{' ' * columns}^\n{self.message}"


class Denied(Refused):
    """Not for whoever asks. The message never says what there is, only that this is not theirs."""

    exit_code = 77

    def __init__(self, message: str = "you may not do this") -> None:
        super().__init__(message)


def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
