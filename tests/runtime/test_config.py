"""Secrets: read by who asks, refused when they are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import load
from schemas.errors import Refused

FILE_NAME = "counterfoil.toml"


@pytest.mark.parametrize("value", ["x,long enough", "pass,word-of-a-firm", "short"])
@pytest.mark.parametrize("name", ["whatsapp_app_secret", "whatsapp_verify_token",
                                  "twilio_auth_token"])
def test_half_a_secret_is_refused(tmp_path: Path, name: str, value: str) -> None:
    """A comma inside a secret must not make a one-letter key that anybody can guess."""
    with pytest.raises(Refused, match=f"{name}.*fewer than 8.*comma") as refused:
        load(tmp_path, None, **{name: value}).secrets_of(name)
    assert value not in str(refused.value)


def test_several_secrets_are_several(tmp_path: Path) -> None:
    """Newest first; spaces and empty places are nothing."""
    found = load(tmp_path, twilio_auth_token=" new-token , old-token,").secrets_of(
        "twilio_auth_token")
    assert found == (b"new-token", b"old-token")
    assert load(tmp_path).secrets_of("twilio_auth_token") == ()


def test_a_secret_file_is_read_by_who_asks(tmp_path: Path) -> None:
    """The archiver's process does not open the providers' secrets, nor fail without them."""
    (tmp_path / FILE_NAME).write_text(
        f'whatsapp_app_secret_file = "{tmp_path}/secret"\npublic_url_file = "{tmp_path}/url"\n')
    config = load(tmp_path)
    with pytest.raises(Refused, match="whatsapp_app_secret_file"):
        config.secrets_of("whatsapp_app_secret")
    (tmp_path / "secret").write_text("an app secret\n")
    (tmp_path / "url").write_text("https://hooks.firm.example\n")
    assert config.secrets_of("whatsapp_app_secret") == (b"an app secret",)
    assert config.base_url() == "https://hooks.firm.example"


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    """Nobody guesses which of the two is meant."""
    (tmp_path / FILE_NAME).write_text(
        'twilio_auth_token = "one-of-two"\ntwilio_auth_token_file = "/nowhere"\n')
    with pytest.raises(Refused, match="both set"):
        load(tmp_path).secrets_of("twilio_auth_token")
