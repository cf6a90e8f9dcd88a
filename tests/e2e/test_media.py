"""A picture's whole way: webhook, provider's media door, archive, `show`, `attachment`, `verify`;
with `kill -9` while it is under way.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.e2e.canary import Detector
from tests.e2e.installation import ROOT, SECRETS, Installation, wait_for
from tests.fakes import media_api
from tests.fakes.media_api import MediaApi
from tests.ingest.doorway import hub_headers
from tests.vendor import payloads

pytestmark = pytest.mark.slow

PICTURE = b"\xff\xd8\xff" + b"quastenfloesser" * 200_000
HASH = hashlib.sha256(PICTURE).hexdigest()
DIRECTORY = f"""
[[custodian]]
id = "a.marsh"
name = "Ada Marsh"
[[account]]
channel = "whatsapp"
account = "+{payloads.FIRM}"
custodian = "a.marsh"
"""


@pytest.fixture
def api() -> Iterator[MediaApi]:
    """WhatsApp's media door."""
    with media_api.serving() as made:
        yield made


def firm_in(folder: Path, api: MediaApi, **more: str) -> Installation:
    """A firm that fetches from the fake."""
    firm = Installation(folder / "home", more={
        "COUNTERFOIL_MEDIA__WHATSAPP_URL": api.base, "COUNTERFOIL_WHATSAPP_TOKEN": media_api.TOKEN,
        "COUNTERFOIL_VERBOSE": "1", **more})
    firm.write_directory(DIRECTORY)
    return firm


def post_picture(firm: Installation, number: int) -> str:
    """A message with a picture; its id in search."""
    body = payloads.messages(payloads.message(f"wamid.PIC{number}", "image", image={
        "id": f"{number}", "mime_type": "image/jpeg", "caption": f"picture number {number}"}))
    assert firm.post("/hooks/whatsapp", body,
                     hub_headers(body, SECRETS.whatsapp_app_secret.encode())) == 200
    return firm.inside().document_id("whatsapp", f"+{payloads.FIRM}", f"wamid.PIC{number}")


def files_of(firm: Installation, doc_id: str) -> list[dict[str, Any]]:
    """What `show` says of a message's files."""
    found: list[dict[str, Any]] = firm.cli("show", doc_id, "--json").row()["files"]
    return found


def await_state(firm: Installation, doc_id: str, state: str) -> dict[str, Any]:
    """Its only file, when it is in that state."""
    firm.inside().await_documents([doc_id])
    wait_for(lambda: [one["state"] for one in files_of(firm, doc_id)] == [state],
             f"the file is {state}\n{firm.said()}")
    (found,) = files_of(firm, doc_id)
    return found


def test_a_picture_is_archived_shown_and_handed_out(tmp_path: Path, api: MediaApi) -> None:
    """Equal to the byte, for its owner only, recorded before; and nothing is written over."""
    api.whatsapp("1", PICTURE)
    firm, out = firm_in(tmp_path, api), tmp_path / "out.jpg"
    with firm.running():
        doc_id = post_picture(firm, 1)
        found = await_state(firm, doc_id, "stored")
        assert (found["number"], found["version"], found["size"], found["sha256"]) == (
            1, 1, len(PICTURE), HASH)
        assert "media_pending" not in firm.cli("show", doc_id, "--json").row()["observations"]
        line = firm.cli("attachment", doc_id, "1", "--out", str(out), "--json").row()
        schema = json.loads((ROOT / "docs/interface/attachment.schema.json").read_text("utf-8"))
        Draft202012Validator(schema).validate(line)
        assert tuple(line) == ("id", "number", "file", "name", "media_type", "size", "sha256")
        assert out.read_bytes() == PICTURE and stat.S_IMODE(out.stat().st_mode) == 0o600
        assert line["sha256"] == HASH and line["media_type"] == "image/jpeg"
        out.write_bytes(b"mine")
        assert firm.cli("attachment", doc_id, "1", "--out", str(out), code=73).out == ""
        assert out.read_bytes() == b"mine"
        firm.cli("attachment", doc_id, "1", "--out", str(out), "--force")
        assert out.read_bytes() == PICTURE
        other = tmp_path / "other.jpg"
        assert firm.cli("attachment", doc_id, "2", "--out", str(other), code=66).out == ""
        assert not other.exists() and [one.name for one in tmp_path.iterdir()].count("out.jpg")
        assert "attachment" in firm.cli("show", doc_id).out
        inside = firm.inside()
        wait_for(lambda: ["1", "1", "2"] == sorted(
            event.detail("number") or "" for _, event in inside.events()
            if event.kind == "audit" and event.detail("action") == "attachment"),
            "each look is recorded")
    assert firm.cli("verify", "--json").row()["findings"] == []
    assert firm.cli("verify", "--json", "--no-media").row()["findings"] == []
    (stored,) = (firm.home / "store" / "objects" / "media").iterdir()
    held = stored.read_bytes()
    stored.chmod(0o600)
    stored.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    report = firm.cli("verify", "--json", code=1).row()
    assert [one["code"] for one in report["findings"]] == ["media_damaged"]
    torn = tmp_path / "torn.jpg"
    firm.cli("attachment", doc_id, "1", "--out", str(torn), code=65)
    assert not torn.exists() and not list(tmp_path.glob(".torn*"))
    detector = Detector({"picture": "quastenfloesser"})
    places = [path for path in firm.home.rglob("*") if path.is_file()]
    assert detector.look_in_files("home", places) == set()


def test_a_gateway_killed_while_it_fetches_fetches_again(tmp_path: Path, api: MediaApi) -> None:
    """`kill -9` in the middle of the bytes: after the restart there is one object and one fact."""
    api.whatsapp("1", PICTURE)
    gate = threading.Event()

    def half(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(PICTURE)))
        request.end_headers()
        request.wfile.write(PICTURE[:2_000_000])
        gate.wait(60)

    api.once("/bytes/1", half)
    firm = firm_in(tmp_path, api)
    with firm.running():
        doc_id = post_picture(firm, 1)
        wait_for(lambda: "/bytes/1" in api.asked, "it is being fetched")
        wait_for(lambda: any(path.stat().st_size > 1_000_000
                             for path in (firm.home / "gateway/media").iterdir()), "half is sealed")
        os.kill(firm.children()["gateway"], signal.SIGKILL)
        gate.set()
        await_state(firm, doc_id, "stored")
        out = tmp_path / "out.jpg"
        firm.cli("attachment", doc_id, "1", "--out", str(out))
        assert out.read_bytes() == PICTURE
    assert len(list((firm.home / "store" / "objects" / "media").iterdir())) == 1
    assert [] == list((firm.home / "gateway" / "media").iterdir())
    assert firm.cli("verify", "--json").row()["findings"] == []


def test_without_a_token_files_wait_and_a_token_fetches_them(tmp_path: Path,
                                                             api: MediaApi) -> None:
    """The gateway runs; `status` names it; after a restart with a token nothing is missing."""
    api.whatsapp("1", PICTURE)
    firm = firm_in(tmp_path, api)
    token = firm.more.pop("COUNTERFOIL_WHATSAPP_TOKEN")
    with firm.running():
        doc_id = post_picture(firm, 1)
        await_state(firm, doc_id, "pending")
        wait_for(lambda: "media_off" in {
            one["code"] for one in firm.cli("status", "--json", code=None).row()["alarms"]},
            "it is an alarm")
        assert firm.cli("attachment", doc_id, "1", "--out", str(tmp_path / "x"), code=66).err
    path = tmp_path / "token"
    path.write_text(token + "\n")
    firm.more["COUNTERFOIL_WHATSAPP_TOKEN_FILE"] = str(path)
    with firm.running():
        await_state(firm, doc_id, "stored")
        codes = {one["code"] for one in firm.cli("status", "--json", code=None).row()["alarms"]}
        assert not codes & {"media_off", "media_waiting", "media_failed"}
