"""Every limit, with its unit in its name and what happens when it is reached."""

from __future__ import annotations

from typing import Final

# One HTTP body. Meta's documented maximum is 3 MB; over it: 413 and a gap alarm.
DELIVERY_BYTES_MAX: Final = 4 * 1024 * 1024
# One form body (Twilio). Its signature is tried in many spellings of the URL before anybody is
# known; Twilio's own are a few KB. Over it: as above.
FORM_BYTES_MAX: Final = 128 * 1024
# Datums of one delivery that wait for the log at a time; the others are encoded when these are
# durable.
PUBLISH_BYTES_MAX: Final = 16 * 1024 * 1024
# One log record (a pack). Kafka's default record limit is 1,048,588; a pack closes before it.
PACK_BYTES_MAX: Final = 900 * 1024
# One log record as a driver accepts it; larger is Refused, as a broker's default would.
RECORD_BYTES_MAX: Final = 1_000_000
# One datum inside a pack. Larger events are sealed in numbered parts (PROTOCOL C3).
PART_BYTES_MAX: Final = 800 * 1024
# Events in one pack; more wait for the next.
PACK_EVENTS_MAX: Final = 1024
# One session (PROTOCOL T2); then a new one is made.
SESSION_AGE_MS_MAX: Final = 1_000
SESSION_RECORDS_MAX: Final = 1_000
# Parts of one event; more is refused: 64 x 800 KiB is far above the largest delivery.
PARTS_MAX: Final = 64
# JSON nesting accepted from a provider; deeper is quarantined.
JSON_DEPTH_MAX: Final = 64
# Items of one delivery; Meta documents 1,000; above it the rest is quarantined as one blob.
DELIVERY_ITEMS_MAX: Final = 20_000
# A segment closes when one of these is reached.
SEGMENT_BYTES_MAX: Final = 8 * 1024 * 1024
SEGMENT_EVENTS_MAX: Final = 50_000
# A segment object that a reader accepts; larger is the finding `segment_oversized`.
SEGMENT_OBJECT_BYTES_MAX: Final = 64 * 1024 * 1024
# A compression dictionary or schema that a reader accepts; a larger object is not looked at.
DICTIONARY_BYTES_MAX: Final = 1024 * 1024
# Plain bytes of one cell after decompression; larger is `cell_oversized` (a bomb).
CELL_PLAIN_BYTES_MAX: Final = 256 * 1024 * 1024
# The gateway's own spool; full means 503 with Retry-After.
SPOOL_BYTES_MAX: Final = 1024 * 1024 * 1024
# How long the gateway waits for the log before it spools (PROTOCOL C1).
LOG_ACK_S_MAX: Final = 2.0
# The ring of rejected requests (PROTOCOL C2); the oldest go first.
REJECTED_BYTES_MAX: Final = 100 * 1024 * 1024
REJECTED_AGE_MS_MAX: Final = 14 * 86_400_000
# A query; longer is a QueryError.
QUERY_CHARS_MAX: Final = 10_000
QUERY_DEPTH_MAX: Final = 40
QUERY_TERMS_MAX: Final = 1_000
# How far apart the words of w/ and pre/ may be; more is a QueryError. A text longer than this is
# what AND is for.
QUERY_DISTANCE_MAX: Final = 250
# w/ and pre/ inside each other.
QUERY_NEAR_DEPTH_MAX: Final = 10
# Letters of a pattern (`pa*`) that are no * or ?, and of a fuzzy word that stay: with fewer it
# would stand for half the vocabulary.
PATTERN_LETTERS_MIN: Final = 2
# Words of the archive that one pattern may stand for, and all patterns of one query together; more
# is a QueryError that says how many. The sum keeps a query below what a server takes as one.
QUERY_EXPANSION_MAX: Final = 1_024
QUERY_EXPANSIONS_MAX: Final = 16_384
# Saved lists: how many are named, how large one is, and how deep lists may stand in lists.
LISTS_MAX: Final = 1_000
LIST_BYTES_MAX: Final = 1024 * 1024
QUERY_LIST_DEPTH_MAX: Final = 8
# Leaves of a query whose documents `--explain` counts; each is a query of its own.
EXPLAIN_LEAVES_MAX: Final = 100
# Revisions of one message are this many positions apart in an index, so that no phrase crosses
# them; more than QUERY_DISTANCE_MAX, so that no nearness does.
REVISION_POSITION_GAP: Final = 256
# Words of one revision that are indexed; the rest is a finding on the document, the text is kept.
INDEXED_TOKENS_MAX: Final = 50_000
# Words and single units of one message, all its versions; later texts are not indexed, which is
# an observation on the document. At 17 bytes each it fits any server's limit on a request.
DOCUMENT_TOKENS_MAX: Final = 200_000
# Account numbers, addresses, amounts and the like that are looked for in one text, an eighth of it
# for each way to find one; the rest is found as words, and the document says so.
MARKS_MAX: Final = 400
# Marks of one message, all its versions and flags; later ones are not indexed, which is an
# observation on the document.
DOCUMENT_MARKS_MAX: Final = 20_000
# AND, OR and NOT inside each other, after flattening; Elasticsearch refuses 30 by default.
QUERY_BOOLEAN_DEPTH_MAX: Final = 24
# Documents on one page of answers; more is asked for page by page.
PAGE_HITS_MAX: Final = 1_000
# Rows of one `search`, which takes as many pages as they need; more is refused, and the next call
# goes on from its cursor.
SEARCH_ROWS_MAX: Final = 100_000
# Documents whose words are read one by one for a query that an index cannot ask as it is; more is
# refused, and the query wants to be narrowed.
CHECKED_DOCUMENTS_MAX: Final = 200_000
# Texts that are decrypted and read one by one to answer one question where the index holds no words
# (search.text = none); more is refused, likewise.
READ_TEXTS_MAX: Final = 50_000
# Values of one facet that are counted out; the rarer ones are left out.
FACET_VALUES_MAX: Final = 1_000
# One message of a phone backup without its pictures; a larger one is quarantined in pieces. Its raw
# bytes and its text, which may be three times as long, fit PARTS_MAX parts.
BACKUP_ELEMENT_BYTES_MAX: Final = 12 * 1024 * 1024
# A picture inside one that stays in the message's raw bytes; a larger one is cut out of them, with
# its place and hash in the details, and is stored as the attachment alone (PROTOCOL M1).
BACKUP_INLINE_BYTES_MAX: Final = 64 * 1024
# A chat export. One physical line; longer is read in pieces of this length.
EXPORT_LINE_BYTES_MAX: Final = 1024 * 1024
# One message with all its lines; what follows until the next header is quarantined.
EXPORT_MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
# Messages of one chat, in one file and remembered together. WhatsApp exports at most 40,000 at a
# time; a chat of this many takes about a gigabyte of memory. More: refused, the file can be cut.
EXPORT_LINES_MAX: Final = 1_000_000
# Members of an exported zip; WhatsApp puts at most 10,000 files into one. More: refused.
ZIP_MEMBERS_MAX: Final = 50_000
# All members unpacked; more is refused, before anything is unpacked.
ZIP_UNPACKED_BYTES_MAX: Final = 64 * 1024 * 1024 * 1024
# A zip that unpacks to more than ZIP_RATIO_BYTES_MIN and more than this many times its own size is
# a bomb: refused. Chat text packs about eight times, pictures not at all.
ZIP_RATIO_MAX: Final = 100
ZIP_RATIO_BYTES_MIN: Final = 64 * 1024 * 1024
# A piece of a quarantined member; a larger member is quarantined in several.
ZIP_QUARANTINE_BYTES_MAX: Final = 8 * 1024 * 1024
# One file of a message; a larger one is a failure fact. A single PUT takes 5 GB; WhatsApp allows
# 100 MB, Twilio 5 MB. `media.mb_max` sets it lower.
MEDIA_BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
# How long after the capture of its message a provider's file is tried for: WhatsApp hands it out
# for 7 days. Then the failure is final.
MEDIA_KEPT_MS: Final = 7 * 86_400_000
# A file that was handed in and that no reader takes is kept in quarantine up to this size; of a
# larger one its name, size and hash.
IMPORT_REFUSED_BYTES_MAX: Final = 256 * 1024 * 1024
# Words of one sealed chunk of the vocabulary, in bytes; more words make more chunks. A multiple of
# what a chunk is padded to.
WORD_CHUNK_BYTES_MAX: Final = 1024 * 1024
# Different words that a search process holds for patterns, about 150 bytes each. An archive with
# more answers no pattern, and says so: an answer that leaves words out would be none.
VOCABULARY_WORDS_MAX: Final = 4_000_000
# Messages that `leakage` measures, in memory; of more a sample of whole conversations is taken.
LEAKAGE_MESSAGES_MAX: Final = 20_000
