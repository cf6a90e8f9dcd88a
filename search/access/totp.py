"""One-time codes of a telephone (TOTP, RFC 6238), and recovery codes for the day it is lost.

Owns the window of a code, that each is used once, and the form of a recovery code. SHA-1, six
digits and 30 s: what every authenticator app can do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final

import pyotp
import segno

from schemas.identity import canonical
from search.access.state import Held, StateStore, Value, hashed, update

STEP_S: Final = 30
DIGITS: Final = 6
# Steps before and after the present one: clocks of telephones differ, and people type slowly.
STEPS_AROUND: Final = 1
RECOVERY_CODES: Final = 10
_SECRET_BYTES: Final = 20  # RFC 4226 §4: as long as the hash
_RECOVERY_BYTES: Final = 10
_LABEL: Final = "counterfoil/recovery/v1"
_KEPT_MS: Final = 10 * 60_000


def new_secret(random: Callable[[int], bytes]) -> str:
    """160 random bits in base32, as apps take them."""
    return base64.b32encode(random(_SECRET_BYTES)).decode("ascii")


def step_of(secret: str, code: str, now: int) -> int | None:
    """The step whose code this is, of the present one and those around it; null if none. `now`:
    UTC ms. Every step is computed and compared in constant time."""
    digits = "".join(code.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        digits = ""
    made = pyotp.TOTP(secret, digits=DIGITS, digest=hashlib.sha1, interval=STEP_S)
    present = now // (STEP_S * 1000)
    found = None
    for step in range(present - STEPS_AROUND, present + STEPS_AROUND + 1):
        if hmac.compare_digest(made.generate_otp(step), digits):
            found = step
    return found


def use(state: StateStore, person: str, secret: str, code: str, now: int) -> bool:
    """Whether `code` is good now, and this is the first use of it or of a later one.

    From a True on the code is used up, for every process. Raises Transient: then it is not known.
    """
    step = step_of(secret, code, now)
    if step is None:
        return False
    is_new = False

    def take(held: Held | None) -> tuple[Value, int]:
        nonlocal is_new
        last = int(held.value["step"]) if held is not None else -1
        is_new = step > last
        return {"step": max(step, last)}, now + _KEPT_MS

    # Of the secret as well: who scans a new one begins anew.
    update(state, hashed("totp", person, secret), take)
    return is_new


def uri(secret: str, person: str, issuer: str) -> str:
    """What an app reads from the QR code (otpauth://totp/…)."""
    return pyotp.TOTP(secret, digits=DIGITS, digest=hashlib.sha1, interval=STEP_S
                      ).provisioning_uri(name=person, issuer_name=issuer)


def svg(text: str) -> str:
    """The QR code of `text` as an <svg> element, drawn here: the secret goes to no other service.

    It brings no style and no script; size and colour are the page's.
    """
    return segno.make_qr(text, error="m").svg_inline(
        scale=1, border=4, omitsize=True, svgclass="qr", lineclass="qr-lines", dark="#000",
        light="#fff", title="QR code for an authenticator app")


def new_recovery_codes(random: Callable[[int], bytes]) -> tuple[str, ...]:
    """Ten codes of 80 random bits, to be shown once: XXXX-XXXX-XXXX-XXXX."""
    codes = [base64.b32encode(random(_RECOVERY_BYTES)).decode("ascii")
             for _ in range(RECOVERY_CODES)]
    return tuple("-".join(code[at:at + 4] for at in range(0, len(code), 4)) for code in codes)


def recovery_digest(code: str) -> str:
    """What is kept of one. 80 random bits need no slow hash."""
    plain = "".join(char for char in code.upper() if char.isalnum())
    return hashlib.sha256(canonical(_LABEL, plain)).hexdigest()


def find_recovery(kept: Sequence[str], code: str) -> str | None:
    """The digest that `code` is of; null if none. All are compared."""
    digest = recovery_digest(code[:64])
    found = None
    for one in kept:
        if hmac.compare_digest(one, digest):
            found = one
    return found
