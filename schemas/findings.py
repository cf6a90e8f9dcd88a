"""Every code that the system can say about itself, spelled once.

`FINDINGS`: what `verify` may report (any one of them makes verify exit 1). `HALTS`: findings that
also stop a process. `ALARMS`: what `status` lists and counts (exit 1 while one is active).
`OBSERVATIONS`: remarks on one event, neither finding nor alarm. Each has a runbook line in
docs/OPERATIONS.md (a test compares).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FINDINGS: Final[dict[str, str]] = {
    "segment_unreadable": "the object is not a well-formed segment (truncated, or bytes changed)",
    "segment_not_canonical": "the object's bytes are not those that its content encodes to",
    "segment_signature": "the segment is not signed by a known sealing key",
    "segment_misplaced": "the segment's header names another place than its key",
    "segment_oversized": "the object is larger than a segment may be",
    "segment_missing": "the chain goes on after a place where no authentic segment is",
    "chain_broken": "the segment does not hold the hash of the one before it",
    "key_squatted": "an object that is no segment of ours lies at a segment's key",
    "younger_version": "a second version lies over a segment; the oldest is the record",
    "delete_marker": "a delete marker lies over a segment",
    "lock_missing": "the object is not locked in compliance mode until its stated date",
    "hold_missing": "a legal hold concerns the object, and the store does not hold it",
    "cell_unreadable": "a cell does not decrypt under its domain key",
    "cell_root": "a cell's content does not match its root, count or tags",
    "cell_oversized": "a cell unpacks to more than a cell may hold",
    "record_duplicated": "two segments hold the same log address",
    "records_missing": "the header lists offsets that had no record on the log",
    "record_refused": "a log record failed authentication and is kept in a quarantine cell",
    "kind_not_enrolled": "a datum of a kind that its capture key may not say",
    "datum_unreadable": "a datum does not parse; kept as an unreadable document",
    "parts_incomplete": "a large event lacks some of its numbered parts",
    "counter_missing": "a record that a capture process stated as acknowledged is not archived",
    "key_lost": "a domain key is gone without an erasure event",
    "key_unreadable": "a key record does not open under the key service",
    "key_resurrected": "a key that an erasure event destroyed can be opened",
    "erasure_unfounded": "an erasure without a list, a second person's approval and an intent",
    "format_damaged": "a schema or dictionary object is not what its name says",
    "dictionary_missing": "the compression dictionary a cell names is not there",
    "head_rollback": "the archive ends before the kept head, or differs from it",
    "head_signature": "the kept head is not signed by a known sealing key",
    "orphan_media": "a media object that no event names, a day after it was put",
    "media_missing": "a file that an event names is not in the store",
    "media_damaged": "a media object is not the file that its event names",
    "log_replaced": "the topic was deleted and made again; its id differs",
    "lost_before_archive": "the log was trimmed past records that were never archived",
    "log_diverged": "the log's last archived record is not the one that was archived",
    "index_differs": "the index differs from a rebuild",
    "foreign_object": "an object that belongs to nothing lies in the archive",
    "replica_missing": "the second copy lacks an object of the archive",
    "replica_differs": "the second copy holds other bytes at an object's name",
    "replica_lock": "the second copy of an object is locked for less, or not held",
    "replica_foreign": "the second copy holds what the archive does not",
    "replica_key_missing": "the second keyring lacks a key record",
    "replica_key_differs": "the second keyring holds another key under a record's name",
    "replica_key_kept": "the second keyring holds a key that an erasure event destroyed",
    "tlog_damaged": "an object at a batch's key is no batch that the log signed, or does not "
                    "follow the one before it",
    "tlog_missing": "a batch of the transparency log is gone while a later one is there",
    "tlog_forked": "a head that the transparency log signed is not a head of this log",
    "tlog_leaf_differs": "a segment that the transparency log names is not there, or differs",
    "tlog_tile_damaged": "a tile is not what the transparency log's leaves make",
    "tlog_checkpoint_damaged": "the checkpoint of a batch is gone, or an object at its key is none",
    "tlog_cosignature_damaged": "an object at a cosignature's key is none of that witness",
    "tlog_timestamp_damaged": "an object at a time stamp's key is none of that authority",
    "tlog_hidden": "a younger version or a delete marker lies over an object of the log",
    "tlog_unlocked": "an object of the transparency log is not locked as its batch states",
    "tlog_foreign_object": "an object below log/ that the transparency log never writes",
}

HALTS: Final[dict[str, str]] = {
    "log_replaced": FINDINGS["log_replaced"],
    "log_diverged": FINDINGS["log_diverged"],
    "log_out_of_range": "the position asked for is not on the log",
    "log_damaged": "the log holds bytes that do not read, and did not a second time",
    "log_unsafe": "the topic's settings could lose or damage records",
    "partitions_changed": "the topic's partition count differs from what was provisioned",
    "store_unsafe": "the object store does not enforce what a record needs",
    "format_unknown": "a newer format than this version reads",
    "put_undecided": "a PUT could not be settled by reading back",
    "sealing_key_unknown": "a segment is signed by a sealing key that this process does not know",
    "segment_missing": FINDINGS["segment_missing"],
    "chain_broken": FINDINGS["chain_broken"],
    "record_duplicated": FINDINGS["record_duplicated"],
    "transit_key_missing": "an enrolled process sealed to a transit key that is not held",
    "cursor_ahead": "the index cursor is ahead of the archive: it belongs to another archive",
    "lock_years": "a retention class asks for more years than lock_years_max allows",
    "key_service": "the key service cannot be used safely, or answered with another key",
    "index_refused": "the index refused a document that follows its own mapping",
    "tlog_forked": "the transparency log in the store is not the one that was signed",
    "tlog_missing": "a batch of the transparency log is gone while a later one is there",
    "tlog_squatted": "an object that is no batch lies where the log's next batch has to lie",
}

ALARMS: Final[dict[str, str]] = {
    "door_closed": "a door has no secret configured and answers 503",
    "log_unreachable": "the gateway cannot reach the log and spools",
    "spool_in_use": "acknowledged records wait in the gateway's spool",
    "spool_full": "the spool is full; the gateway answers 503",
    "rejected_requests": "requests failed authentication in the last five minutes",
    "delivery_oversized": "a request over the size limit was refused: a capture gap",
    "quarantine_waiting": "quarantined items wait for a decision",
    "edit_without_content": "an edit happened whose text and target were not delivered",
    "directory_refused": "directory.toml has changed and cannot be read; the last load is in force",
    "policy_refused": "a policy file cannot be read; the last versions stay in force",
    "sampling_refused": "a sampling plan cannot be read; no seed of the next period is recorded",
    "unassigned_traffic": "events of an account that the directory does not know",
    "capture_gap": "capture failed for a time, or fails now: messages may be missing",
    "account_silent": "a watched account had no event for longer than the directory lets it",
    "counter_missing": FINDINGS["counter_missing"],
    "media_off": "files wait at a provider for which no credentials are configured",
    "media_waiting": "files wait too long to be fetched or stored; their messages are archived",
    "media_failed": "a file was given up: expired, not found, refused or not the stated bytes",
    "lost_before_archive": FINDINGS["lost_before_archive"],
    "log_replaced": FINDINGS["log_replaced"],
    "key_squatted": FINDINGS["key_squatted"],
    "record_refused": FINDINGS["record_refused"],
    "archive_behind": "records on the log wait too long to be archived",
    "index_behind": "archived records wait too long to be searchable",
    "parts_incomplete": FINDINGS["parts_incomplete"],
    "process_down": "a part of the system is not running and should be",
    "process_restarting": "a part of the system stops again and again",
    "key_unreadable": FINDINGS["key_unreadable"],
    "hold_not_set": "the store does not hold everything that a legal hold concerns, or it cannot "
                    "be told what that is",
    "keys_unbacked": "no checked backup of the keys is known",
    "head_stale": "no signed head was written for more than two hours",
    "replica_behind": "the second copy was not brought up to date for too long",
    "tlog_behind": "archived segments wait too long to be put into the transparency log",
    "tlog_forked": "the transparency log in the store is not the one that was signed",
    "tlog_missing": "a batch of the transparency log is gone while a later one is there",
    "tlog_squatted": "an object that is no batch lies where the log's next batch has to lie",
    "tlog_unwitnessed": "a witness does not confirm the head of the transparency log",
    "tlog_witness_forked": "a witness has seen another transparency log than this one",
    "tlog_unstamped": "a time-stamping authority gives no token that holds",
    "halted": "a process stopped because the state of the world was unknown",
}

OBSERVATIONS: Final[dict[str, str]] = {
    "time_unit_guessed": "the timestamp's unit was told by its magnitude",
    "time_was_number": "the timestamp was a number where the source documents a string",
    "time_absent": "the source gave no time",
    "time_unusable": "the source's time could not be read",
    "time_in_future": "the source's time is more than ten minutes after ours",
    "lone_surrogate_replaced": "half a UTF-16 pair was replaced by U+FFFD; the raw bytes are kept",
    "bytes_replaced": "bytes that are no UTF-8 were replaced by U+FFFD; the raw bytes are kept",
    "unknown_field": "a webhook field that this version does not know",
    "unknown_type": "a message type that this version does not know",
    "unknown_status": "a delivery status that this version does not know",
    "target_absent": "the source did not say which message it is about",
    "content_absent": "the source did not deliver the content",
    "forwarded": "the message was forwarded",
    "frequently_forwarded": "the message was forwarded many times",
    "contact_absent": "the sender is not in the delivery's contacts",
    "phone_absent": "the source gave no phone number for the sender",
    "party_from_id": "the source did not name the other side; it was read from the message's id",
    "media_pending": "the media was not fetched yet",
    "media_failed": "a file of the message could not be fetched or stored; its fact says why",
    "hash_unreadable": "the media hash is neither base64 nor hex of 32 bytes",
    "extra_parameters": "the request has parameters that this version does not know",
    "provider_error": "the provider reported an error beside the item",
    "occurrence_differs": "two captures of the same fact differ in content",
    "month_from_capture": "the retention month counts from capture: the source's time is no ground",
    "delivery_empty": "no adapter found an item in the delivery; it is kept whole",
    "delivery_cut": "the delivery held what the directory excludes: the other items are kept, "
                    "without envelope and signature",
    "replayed_from_quarantine": "could not be read when it came; read later from the kept bytes",
    "replayed_from_rejected": "failed its check when it came; passed it later from the kept bytes",
    "placeholder_target": "the nested context names a placeholder, not a message",
    "claimed_by_export": "an export claims a change to a message that its provider vouches for",
    "text_unchanged": "an edit whose text equals the version before it",
    "ambiguous_marker": "the text is what the source writes for a deletion or for nothing",
    "target_ambiguous": "a deletion of one of several messages: which one, nobody knows; its "
                        "details name them",
    "hidden_by_export": "an export shows a placeholder where a message was known; that is no "
                        "deletion",
    "zone_unknown": "the export shows a local time and nobody said of which zone; it has no "
                    "instant",
    "local_time_ambiguous": "the clocks were put back over this local time: it occurred twice",
    "local_time_missing": "the clocks were put forward over this local time: it never occurred",
    "calendar_unknown": "the year is of a calendar that this version does not read; it has no "
                        "instant",
    "out_of_order": "its time is out of the order of the lines around it",
    "pasted_header": "the text holds a line that looks like the head of another message",
    "edited_before_import": "it was edited before it was first exported: its first text is not "
                            "known",
    "changed_without_marker": "an export shows another text and does not say that it was edited",
    "revealed_by_export": "an export shows the text of a message of which a deletion was known",
    "reworded_by_export": "an export shows a known notice in other words",
    "completed_by_export": "an export shows more of a known message: its file, its caption, its "
                           "votes",
    "absent_in_export": "an export has the lines before and after it, but not this one",
    "text_cut_in_index": "only the first words are indexed; the whole text is archived",
    "marks_cut_in_index": "it holds more account numbers, addresses, amounts or the like than are "
                          "indexed as such; the whole text is archived",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of `verify`: a code of FINDINGS, where, and the particulars in words."""

    code: str
    where: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in FINDINGS:
            raise AssertionError(f"unknown finding {self.code}")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One active alarm: a code of ALARMS, since when (ms), and the particulars in words. `subject`
    tells several of one code apart (a door, a reason), "" where there is only one; no number."""

    code: str
    since: int
    detail: str = ""
    subject: str = ""

    def __post_init__(self) -> None:
        if self.code not in ALARMS:
            raise AssertionError(f"unknown alarm {self.code}")
