"""A whole past in one request (CAPTURE case 15)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from ingest.delivery import rebuild
from tests.ingest.doorway import FIRM_NUMBER, NOW, Doorway, change, hub_headers, once

MESSAGES = 4_000


def shared(count: int) -> bytes:
    """A history delivery of `count` messages of 160 days, two chats, both sides."""
    threads: list[dict[str, Any]] = [{"id": peer, "messages": [{
        "from": peer if number % 2 else FIRM_NUMBER, "id": f"wamid.{peer}{number}",
        "timestamp": str(NOW // 1000 - number * 160 * 86_400 * 2 // count), "type": "text",
        "text": {"body": f"{number} " + "said long ago " * 36},
        "history_context": {"status": "READ"}} for number in range(count // 2)]}
        for peer in ("16505551234", "4790000000")]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{
        "field": "history", "value": {**change()["value"], "messages": [], "history": [{
            "metadata": {"phase": 1, "chunk_order": 1, "progress": 100},
            "threads": threads}]}}]}]}, separators=(",", ":")).encode()


def test_case_15_thousands_of_messages_in_one_request(tmp_path: Path) -> None:
    """Nearly 3 MB: taken, each message once under the key of its own month, in packs of many, and
    the body is rebuilt byte for byte."""
    body = shared(MESSAGES)
    assert 2_500_000 < len(body) < 3_000_000
    doorway = Doorway(tmp_path)

    async def main() -> int:
        async with doorway.running() as client:
            answer = await client.post("/hooks/whatsapp", content=body, headers=hub_headers(body))
            return answer.status_code
    assert asyncio.run(main()) == 200
    made = doorway.events()
    assert len({one.native_id for one in made if one.kind == "message"}) == MESSAGES
    assert len([one for one in made if one.kind == "message"]) == MESSAGES
    assert len({doorway.keys.router.domain(one) for one in made if one.kind == "message"}) == 6
    assert [one.body for one in rebuild(made)] == [body]
    records = [record for several in doorway.keys.opened(doorway.log) for record in once(several)]
    assert len(records) < MESSAGES // 50
