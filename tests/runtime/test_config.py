"""Secrets: read by who asks, refused when they are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import load
from infra.doorsettings import door_settings
from schemas.errors import Refused

FILE_NAME = "counterfoil.toml"


@pytest.mark.parametrize("name", ["whatsapp_app_secret", "whatsapp_verify_token",
                                  "twilio_auth_token"])
def test_a_short_secret_is_taken_and_remarked_on(tmp_path: Path, name: str) -> None:
    """The operator chooses; one that can be guessed and signs is said so, and never shown."""
    settings = door_settings(load(tmp_path, None, **{name: "verify7"}))
    assert settings.secrets[name] == (b"verify7",)
    assert settings.closed == {}
    assert [name in one for one in settings.short] == [True] * (name != "whatsapp_verify_token")
    assert "verify7" not in " ".join(settings.short) + repr(settings)


@pytest.mark.parametrize("content", [None, "", "\n \n,\n"])
@pytest.mark.parametrize(("name", "door"), [
    ("whatsapp_app_secret", "whatsapp"), ("whatsapp_verify_token", "whatsapp"),
    ("twilio_auth_token", "twilio"), ("public_url", "twilio")])
def test_a_file_that_holds_nothing_closes_its_door_alone(
        tmp_path: Path, name: str, door: str, content: str | None) -> None:
    """Named, with the file; everything else starts."""
    if content is not None:
        (tmp_path / "file").write_text(content.strip(",\n ") if name == "public_url" else content)
    given = {"whatsapp_app_secret": "one secret", "whatsapp_verify_token": "verify",
             "twilio_auth_token": "one token", f"{name}_file": tmp_path / "file"}
    given.pop(name, None)
    settings = door_settings(load(tmp_path, None, **given))
    assert set(settings.closed) == {door}
    assert f"{name}_file" in settings.closed[door] and "/file" in settings.closed[door]
    assert settings.lacks(door) and not settings.lacks(
        {"whatsapp": "twilio", "twilio": "whatsapp"}[door])


@pytest.mark.parametrize("value", [
    "hooks.firm.example", "hooks.firm.example:8443", "https://", "ftp://firm.example",
    "https://firm.example/?a=b", "https://firm example", "//firm.example", "https://[firm"])
def test_a_public_url_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    """Every signature would fail under it: said with what it should look like."""
    with pytest.raises(Refused, match=r"public_url: .*https://hooks\.firm\.example"):
        door_settings(load(tmp_path, None, public_url=value))


@pytest.mark.parametrize("value", ["Mars/Phobos", "Europe", "../secret", "", "Europe/Berlin\0"])
def test_a_zone_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    """Where the configuration is read, by its key, from the file as from the environment: nothing
    starts whose days begin nowhere."""
    with pytest.raises(Refused, match=r"search\.zone: '.*' is no zone such as Europe/Berlin"):
        load(tmp_path, search={"zone": value})
    assert load(tmp_path, search={"zone": "Europe/Berlin"}).search.zone == "Europe/Berlin"


def test_several_secrets_are_several(tmp_path: Path) -> None:
    """Newest first; spaces and empty places are nothing."""
    found = load(tmp_path, twilio_auth_token=" new-token , old-token,").secrets_of(
        "twilio_auth_token")
    assert found == (b"new-token", b"old-token")
    assert load(tmp_path).secrets_of("twilio_auth_token") == ()
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfnewest\r\n\r\n older , old\noldest\n")
    assert load(tmp_path, twilio_auth_token_file=tmp_path / "secret").secrets_of(
        "twilio_auth_token") == (b"newest", b"older", b"old", b"oldest")


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
