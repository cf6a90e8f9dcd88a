"""The hard cases of CAPTURE §14 from the door to the answer, embedded and on the real servers.

The number of a case is in its test's name. What a part makes of it alone is in the part's tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from ingest.delivery import rebuild
from schemas import events
from search import machine
from tests.e2e.cases import ACCOUNT, AT, BATCH, LARGE, MALFORMED, TIMES, WHATSAPP, peer
from tests.e2e.line import Line, Posted
from tests.vendor.payloads import BSUID

pytestmark = pytest.mark.slow


def posted(line: Line, words: bytes) -> list[Posted]:
    """The requests whose body holds `words`."""
    return [one for one in line.posted if words in one.body]


def shown(line: Line, native_id: str, channel: str = "whatsapp") -> dict[str, Any]:
    """What `show --json` says of a message."""
    return line.show(line.inside().document_id(channel, ACCOUNT, native_id))


class HardCases:
    """Every case, on the line that a subclass names."""

    def test_case_01_an_orphan_retraction_is_kept_and_found(self, line: Line) -> None:
        """A revoke of a message never seen is archived, indexed for supervision, and says that
        nobody has the text."""
        found = shown(line, "wamid.C1")
        assert (found["kind"], found["state"], found["text"], found["content_state"]) == (
            "retraction", "retracted", None, "absent_by_source")
        assert found["id"] in {one["id"] for one in line.search("state:retracted")}
        assert [one["target_known"] for one in found["versions"]] == ["explicit"]

    def test_case_02_the_original_after_its_revoke_is_never_live(self, line: Line) -> None:
        """It is archived in full, joined to the retraction that came first, and shown as
        retracted at that time."""
        (found,) = line.search('"retry brings the original"')
        assert (found["state"], found["version_count"]) == ("retracted", 2)
        versions = shown(line, "wamid.C2")["versions"]
        assert [one["kind"] for one in versions] == ["message", "retraction"]
        assert versions[1]["occurred_at"] == machine.rfc3339((AT + 60) * 1000)
        # The retraction was captured before the message it retracts.
        assert versions[1]["captured_at"] < versions[0]["captured_at"]

    def test_case_03_an_edit_without_content_is_an_alarm(self, line: Line) -> None:
        """What is known is kept: an edit happened; target and content say that they are absent."""
        found = shown(line, "wamid.C3")
        assert (found["kind"], found["content_state"], found["text"]) == (
            "edit", "absent_by_source", None)
        assert [one["target_known"] for one in found["versions"]] == ["absent"]
        assert "edit_without_content" in line.alarms

    def test_case_04_a_redelivery_is_one_message_seen_again(self, line: Line) -> None:
        """The same body twice, and from a second app: one record, three sightings."""
        assert [200] * 3 == [one.status for one in posted(line, b"delivered three times")]
        (found,) = line.search('"delivered three times"')
        assert (found["version_count"], found["sighting_count"]) == (1, 3)
        (version,) = shown(line, "wamid.C4")["versions"]
        assert len(version["sightings"]) == 3
        assert not any(one["differs"] for one in version["sightings"])

    def test_case_05_an_item_twice_in_one_body_is_one_record(self, line: Line) -> None:
        """Two equal items of one delivery are one fact, archived once."""
        found = shown(line, "wamid.C5")
        assert (found["version_count"], found["sighting_count"]) == (1, 1)

    def test_case_06_one_malformed_item_costs_only_itself(self, line: Line) -> None:
        """999 of 1000 archived and found, one in quarantine with its bytes; the answer was 200."""
        (request,) = posted(line, b"number999 of many")
        assert request.status == 200
        found = line.search('"of many"')
        assert len(found) == BATCH - 1
        assert line.search(f"number{MALFORMED}") == []
        held = [event for _, event in line.inside().events() if event.kind == events.QUARANTINE
                and event.delivery is not None and event.raw is not None
                and event.raw == request.body[event.delivery.start:event.delivery.end]]
        assert b'{"from":"12025550006","id":6,"timestamp":{},"type":["text"]}' in {
            one.raw for one in held}

    def test_case_07_three_megabytes_are_one_delivery(self, line: Line) -> None:
        """A body far over a log record's size is taken, sealed in parts, joined again, found item
        by item, and comes back byte for byte."""
        (request,) = posted(line, b"page0 of a long delivery")
        assert len(request.body) > 3_000_000
        assert request.status == 200
        assert line.count('"of a long delivery"') == LARGE
        assert shown(line, f"wamid.C7-{LARGE - 1}")["text"].startswith(f"page{LARGE - 1} of a long")
        assert request.body in {
            one.body for one in rebuild(event for _, event in line.inside().events())}

    def test_case_08_the_signature_is_over_the_bytes(self, line: Line) -> None:
        """The escaped body passes, the same document written otherwise does not; and from the
        archive the body comes back byte for byte."""
        (escaped,) = posted(line, b'"wamid.C8"')
        (decoded,) = posted(line, b'"wamid.D8"')
        assert (escaped.status, decoded.status) == (200, 401)
        assert shown(line, "wamid.C8")["text"] == "Caf\u00e9 \u4e94 \U0001f600"
        bodies = {one.body for one in rebuild(event for _, event in line.inside().events())}
        assert escaped.body in bodies and decoded.body not in bodies

    def test_case_09_any_other_spelling_of_a_signature_is_refused(self, line: Line) -> None:
        """Upper-case hex, none, SHA-1 alone: 401, kept sealed, listed with its reason, and never
        in the archive."""
        refused = posted(line, b"never let in")
        assert [401] * 3 == [one.status for one in refused]
        assert line.search('"never let in"') == []
        assert line.rejected().count("signature missing") == 2
        assert "signature wrong" in line.rejected()
        assert "rejected_requests" in line.alarms

    def test_case_10_a_user_without_a_number_is_nobody_elses(self, line: Line) -> None:
        """The user id is the identity; no phone number is made up."""
        (found,) = line.search('"by username"')
        assert (found["actor"], found["actor_type"], found["actor_name"]) == (
            BSUID, "bsuid", "Kai")
        assert "phone_absent" in found["observations"]

    def test_case_13_both_ways_of_taking_a_reaction_back(self, line: Line) -> None:
        """An empty emoji and none at all are removals, kept beside the reaction."""
        related = shown(line, "wamid.C13")["related"]
        assert ["reaction"] * 3 == [one["kind"] for one in related]
        assert sorted(one["text"] or "" for one in related) == ["", "", "\U0001f44d"]
        said = [event.detail("reaction") for _, event in line.inside().events()
                if event.target == "wamid.C13"]
        assert sorted(filter(None, said)) == ["added", "removed", "removed"]

    def test_case_17_a_group_is_one_conversation(self, line: Line) -> None:
        """Two people write, one conversation holds both, each under their own name."""
        first, second = shown(line, "wamid.C17A"), shown(line, "wamid.C17B")
        assert first["conversation"] == second["conversation"]
        assert (first["actor"], second["actor"]) == (f"+{peer(17)}", f"+{peer(18)}")
        assert {first["id"], second["id"]} <= {one["id"] for one in first["context"]}
        assert len(line.search(f"conversation:{first['conversation']} group")) >= 2

    def test_case_19_the_unknown_is_kept_and_found(self, line: Line) -> None:
        """A field, a type and a status of tomorrow: archived as unknown, with their bytes."""
        kinds = {one["text"]: one["kind"] for one in line.search("kind:unknown")}
        assert kinds["Which evening?"] == "unknown"
        assert any("gibbous" in (text or "") for text in kinds)
        assert "unknown_status" in shown(line, "wamid.C19S")["observations"]
        archived = list(rebuild(event for _, event in line.inside().events()))
        for words in (b"gibbous", b"Which evening?", b"in_orbit"):
            (request,) = posted(line, words)
            assert request.status == 200
            assert request.body in {one.body for one in archived}

    def test_case_21_an_employees_edit_goes_out(self, line: Line) -> None:
        """Direction out, actor the business, and both wordings are known."""
        found = shown(line, "wamid.C21")
        assert (found["direction"], found["actor"], found["state"], found["text"]) == (
            "out", ACCOUNT, "edited", "At half past six, sorry")
        assert ["At six then", "At half past six, sorry"] == [
            one["text"] for one in found["versions"]]

    def test_case_22_times_are_read_by_their_magnitude(self, line: Line) -> None:
        """A number, a string and milliseconds give the same instant; 0 gives none; what was odd
        is flagged, and the message is found all the same."""
        found = {name: shown(line, f"wamid.C22{name}") for name in TIMES}
        for name in ("INT", "STRING", "MS"):
            assert found[name]["occurred_at"] == machine.rfc3339(AT * 1000), name
        assert found["ZERO"]["occurred_at"] is None
        # Every time of these cases lies long before their capture, which is remarked on as well.
        odd = {name: set(one["observations"]) - {"month_from_capture"}
               for name, one in found.items()}
        assert not odd["STRING"]
        assert odd["INT"] and odd["MS"] and odd["ZERO"]

    def test_case_49_a_text_without_a_time_says_so(self, line: Line) -> None:
        """The source gave none: null, not our clock; it is found by when it was received."""
        (found,) = line.search('"without a time"')
        assert (found["channel"], found["occurred_at"]) == ("sms", None)
        assert "time_absent" in found["observations"]
        assert found["captured_at"]
        day = found["captured_at"][:10]
        assert line.search(f'"without a time" date:{day}..{day}')

    def test_every_request_is_answered_as_it_must_be(self, line: Line) -> None:
        """200 for everything genuine, 401 for the five that are not; nothing else."""
        assert {200, 401} == {one.status for one in line.posted}
        assert 5 == [one.status for one in line.posted].count(401)
        assert any(one.path != WHATSAPP for one in line.posted)

    def test_verify_finds_nothing(self, line: Line) -> None:
        """Whatever came in, the archive is whole."""
        assert line.findings() == []


class TestEmbedded(HardCases):
    """In one folder, without a server."""

    @pytest.fixture
    def line(self, embedded_line: Line) -> Line:
        return embedded_line


class TestReal(HardCases):
    """On Apache Kafka, S3 with Object Lock and Elasticsearch."""

    @pytest.fixture
    def line(self, real_line: Line) -> Line:
        return real_line
