"""The reference reader of BagIt, on a Python whose setuptools is younger than it.

Owns the import: bagit 1.8 asks `pkg_resources` for its own version, which setuptools left out
since; 1.9 does not, and comes without a wheel.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _NotFound(Exception):
    """What `pkg_resources` raised for a distribution that it did not know."""


def _unknown(_name: str) -> None:
    raise _NotFound


def _reader() -> Any:
    stand_in = ModuleType("pkg_resources")
    stand_in.__dict__.update(DistributionNotFound=_NotFound, get_distribution=_unknown)
    known = sys.modules.setdefault("pkg_resources", stand_in)
    try:
        return import_module("bagit")
    finally:
        if known is stand_in:
            del sys.modules["pkg_resources"]


bagit = _reader()
