"""What a rule flags, where, and why it says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas import events
from schemas.directory import Custodian, Directory, Group
from schemas.errors import Refused
from schemas.events import Attachment
from search import evaluate
from search.policy.conditions import Firm
from search.policy.match import Engine, party_values
from search.policy.message import Message
from search.query import Reached
from search.stems import Stemmer
from tests.search.policy import world
from tests.search.policy.world import NOON, edit, flags, hits, of, policy, retraction, said, shown
from tests.search.world import ANN

GUARANTEES = (
    "query = '''guarantee* OR garantier* OR \"garanti* que\" OR \"je vous garantis\" OR garantizo "
    "OR 保证收益 OR \"أضمن لك\"'''"
)


@pytest.mark.parametrize("text", [
    "I guarantee you will win this case",
    "Wir garantieren Ihnen 8 % Rendite",
    "Je vous garantis que nous gagnerons",
    "Le garantizo que recuperará el dinero",
    "这个产品保证收益，放心买",
    "أضمن لك ربح القضية",
    "GUARANTEED!",
])
def test_a_rule_hits_in_every_language(text: str) -> None:
    """One rule, six languages; what it hit is shown in the words as they were written."""
    rule = GUARANTEES.replace('"garanti* que" OR ', "")
    message = of(said(text))
    (flag,) = flags(rule, message)
    (place,) = flag.places
    assert message.key == flag.message == place.message
    assert all(0 <= start < end <= len(text) for start, end in place.ranges)
    assert ("outcome", "it", 1, "high") == (flag.policy, flag.rule, flag.version, flag.severity)
    assert flag.reason == "Not allowed (words of the rule are in the text)."


def test_no_text_is_too_short() -> None:
    """One word is enough; other messages are not flagged."""
    assert ["pay"] == hits("query = 'pay'", "pay", "payment", "Hello", "我们", "")


def test_every_revision_counts_the_retracted_one_included() -> None:
    """The words that were edited away are flagged, and only that text of the message."""
    message = of(said("I guarantee it"), edit("I hope so"), retraction())
    (flag,) = flags("query = 'guarantee'", message)
    assert [message.versions[0].event_id] == [one.version for one in flag.places]
    assert ["guarantee"] == shown(flag, message)
    assert message.versions[0].revision() == flag.revision


def test_each_text_that_hits_has_a_flag_of_its_own() -> None:
    """The message and its edit both say it: two flags, each with its own place and reason."""
    message = of(said("I guarantee it"), edit("Still, I guarantee it"))
    first, second = flags("query = 'guarantee'", message)
    assert first.revision != second.revision
    assert "after an edit" in second.reason and "after an edit" not in first.reason


def test_what_a_search_finds_is_flagged() -> None:
    """Words of different versions are one message to a search, so they are to a policy."""
    message = of(said("I will pay"), edit("in cash"))
    (flag,) = flags("query = 'pay cash'", message)
    assert ["pay", "cash"] == shown(flag, message)
    assert () == flags("query = '\"pay in\"'", message), "a phrase stands in one version"


def test_a_word_that_came_later_hides_none() -> None:
    """NOT speaks of one text: what an edit adds does not undo the hit of the text before."""
    message = of(said("I guarantee it"), edit("I guarantee it, with the insurance"))
    (flag,) = flags("query = 'guarantee NOT insurance'", message)
    assert message.versions[0].revision() == flag.revision


def test_points_reach_a_threshold() -> None:
    """Each term counts once; what speaks against counts below zero; the sum is in the flag."""
    rule = ("threshold = 3\nterms = [{ find = 'guarantee*', weight = 2 }, { find = '\"no risk\"' },"
            " { find = 'cannot', weight = -3 }]")
    message = of(said("guaranteed, guaranteed, no risk"))
    (flag,) = flags(rule, message)
    assert 3 == flag.score
    assert "3 points of the 3 that are enough" in flag.reason
    assert ["guaranteed", "guaranteed", "no risk"] == shown(flag, message)
    assert [] == hits(rule, "guaranteed", "we cannot guarantee that there is no risk", "no risk")


@pytest.mark.parametrize(("rule", "matching"), [
    ("direction = 'out'", {"out"}),
    ("direction = 'in'", {"in"}),
    ("from = ['carol']", {"out"}),
    ("to = ['carol']", {"in"}),
    ("with = ['Ann Lee']", {"in", "out"}),
    ("from = ['+1 650 555-1234']", {"in"}),
    ("from = ['group:desk']", {"out"}),
    ("exempt = ['group:desk']", {"in"}),
    ("exempt = ['Ann Lee']", {"out"}),
    ("channels = ['sms']", set()),
    ("channels = ['whatsapp', 'sms']", {"in", "out"}),
    ("times = ['thu 12:00-12:01']", {"in", "out"}),
    ("times = ['thu 12:01-12:00']", set()),
    ("times = ['sat,sun', 'mon-wed']", set()),
    ("times = ['wed 13:00-12:30']", {"in", "out"}),
    ("languages = ['de']", set()),
    ("languages = ['en', 'de']", {"in", "out"}),
])
def test_conditions(rule: str, matching: set[str]) -> None:
    """Who, where, when and in what language a rule looks; NOON is a Thursday, 12:00 UTC."""
    firm = Firm(region="US", directory=Directory(
        custodians=(Custodian("carol", "Carol"),), groups=(Group("desk", ("carol",)),)))
    text = "the guarantee is what you have been waiting for"
    asked = f"query = 'guarantee'\n{rule}"
    found = {way for way, out in (("in", False), ("out", True))
             if flags(asked, of(said(text, out=out)), firm=firm)}
    assert matching == found


def test_a_text_of_no_known_language_is_looked_at() -> None:
    """One word may be of any language: a condition on languages never hides it."""
    assert ["guarantee"] == hits("query = 'guarantee'\nlanguages = ['fr']", "guarantee")


def test_a_whole_policy_may_exempt_a_sender() -> None:
    """`exempt` at the top counts for each rule."""
    head = world.HEAD + 'exempt = ["carol"]\n'
    assert () == flags("query = 'pay'", of(said("pay")), head=head)
    assert flags("query = 'pay'", of(said("pay", out=False)), head=head)


def test_zones_do_not_count_and_are_kept() -> None:
    """A hit in a signature is none; a flag beside one says what was left out, and why."""
    text = "I can win this.\n\n--\nGuaranteed Trust Ltd"
    assert [] == hits("query = 'guaranteed'", text)
    assert [text] == hits("query = 'guaranteed'\nzones_out = ['quoted']", text)
    (flag,) = flags("query = 'win'", of(said(text)))
    (cut,) = flag.cut
    assert ("signature", text.index("--"), len(text)) == (cut.zone, cut.start, cut.end)
    assert "not counting what is signature" in flag.reason


def test_no_phrase_goes_over_a_cut() -> None:
    """What stands before and behind a quote are not side by side; two words of it are still AND."""
    text = "no\n> what is the\nrisk"
    assert [] == hits("query = '\"no risk\"'", text)
    assert [text] == hits("query = 'no risk'", text)


def test_a_forwarded_message_is_not_its_senders_words() -> None:
    """Unless the rule says that what is forwarded counts."""
    message = of(said("I guarantee it", observations=("forwarded",)))
    assert () == flags("query = 'guarantee'", message)
    (flag,) = flags("query = 'guarantee'\nzones_out = []", message)
    assert () == flag.cut


def test_the_firms_own_disclaimers_are_cut() -> None:
    """However they are punctuated; what stands beside them in the sentence counts."""
    head = world.HEAD + 'disclaimers = ["Capital is not guaranteed"]\n'
    rule = "query = 'guaranteed'"
    assert () == flags(rule, of(said("capital is NOT   guaranteed!")), head=head)
    assert flags(rule, of(said("Capital is not guaranteed, but my profit is guaranteed")),
                 head=head)


def test_disguised_words_are_read() -> None:
    """Only where the rule says so; the place is what was written, and the reason says it."""
    message = of(said("this is g u a r 4 n t e e d, friend"))
    assert () == flags("query = 'guaranteed'", message)
    (flag,) = flags("query = 'guaranteed'\nobfuscation = true", message)
    assert ["g u a r 4 n t e e d"] == shown(flag, message)
    assert "in disguise" in flag.reason


def test_attachments_and_identifiers_are_asked_for() -> None:
    """Fields of the search language work in a rule, without any word."""
    assert ["to DE89 3704 0044 0532 0130 00"] == hits(
        "query = 'pattern:iban direction:out'", "to DE89 3704 0044 0532 0130 00", "to DE89")
    picture = said(None, attachments=(Attachment("a1", "image/jpeg"),))
    assert flags("query = 'attachment:image'", of(picture))
    assert () == flags("query = 'attachment:pdf'", of(picture))


def test_stems_need_languages() -> None:
    """A rule that asks for stems where there are none would never hit: refused at the start."""
    asked = policy("query = 'stem:guarantee'")
    with pytest.raises(Refused, match="rule it: stem: needs"):
        Engine([asked])
    engine = Engine([asked], stems=Stemmer(("english",)))
    assert engine.flags(of(said("guarantees")))


def test_a_group_that_is_not_there_is_refused() -> None:
    """A rule for nobody would be silent for ever."""
    with pytest.raises(Refused, match="no group 'sales'"):
        Engine([policy("query = 'pay'\nfrom = ['group:sales']")])


def test_an_edit_of_an_unknown_message_is_looked_at() -> None:
    """An orphan has a text too; a retraction alone has none."""
    assert flags("query = 'pay'", of(edit("pay me")))
    assert () == flags("query = 'pay'", of(retraction()))


def test_two_sightings_with_different_texts_both_count() -> None:
    """An event captured twice in different words: neither hides the other."""
    message = of(said("I hope"), said("I guarantee", captured_at=NOON + 9_000))
    (flag,) = flags("query = 'guarantee'", message)
    assert ["guarantee"] == shown(flag, message)


def test_flags_do_not_depend_on_the_order_of_events() -> None:
    """The same set of events, in any order and repeated: the same flags."""
    captured = [said("guarantee"), edit("guarantee this"), retraction(),
                said("guarantee", captured_at=NOON + 9_000)]
    rule = "query = 'guarantee'"
    expected = flags(rule, of(*captured))
    assert expected == flags(rule, of(*reversed(captured)))
    assert expected == flags(rule, of(*captured, *captured))


def test_an_unknown_direction_is_looked_at_in_either() -> None:
    """What a source does not say hides nothing."""
    message = of(replace(said("pay"), direction=None))
    for way in (events.IN, events.OUT):
        assert flags(f"query = 'pay'\ndirection = '{way}'", message)


def test_an_alert_is_where_a_search_highlights() -> None:
    """Search, alert and highlight share one meaning."""
    rule, text = "query = 'pay w/3 (cash OR bitcoin)'", "Please pay me in cash, or pay in bitcoin."
    lexicon = policy(rule)
    tree = lexicon.rules[0].tree
    assert tree is not None
    (flag,) = Engine([lexicon]).flags(of(said(text)))
    assert tuple(evaluate.highlights(tree, text)) == flag.places[0].ranges


def test_policies_are_asked_together() -> None:
    """Each rule of each policy has its own flag, in their order."""
    other = world.HEAD.replace('"outcome"', '"money"').replace('"high"', '"low"')
    engine = Engine([policy("query = 'pay'"), policy("query = 'cash'", other)])
    found = engine.flags(of(said("pay cash")))
    assert [("outcome", "high"), ("money", "low")] == [(one.policy, one.severity) for one in found]


def test_mandatory_is_said() -> None:
    """A mandatory policy's flags say so, for the sample."""
    (flag,) = flags("query = 'pay'", of(said("pay")), head=world.HEAD + "mandatory = true\n")
    assert flag.mandatory


def test_the_conversation_of_a_rule_may_be_a_token() -> None:
    """`conversation:` takes what a search shows."""
    rule = policy("query = 'pay conversation:0123456789abcdef'")
    message: Message = of(said("pay"))
    assert () == Engine([rule]).flags(message)
    assert Engine([rule], token_of=lambda name: "0123456789abcdef").flags(message)


def test_who_else_somebody_is_counts() -> None:
    """As in a search: another number of the same person, for the time that it was theirs."""
    other = Reached(ANN, (("phone", "16505551234"),), NOON, NOON + 10)
    rules = [policy("query = 'pay'\nfrom = ['Zoe']"), policy("query = 'pay from:Zoe'")]
    assert {"Zoe"} == party_values(rules)
    firm = Firm(links={"Zoe": (other,)})
    for rule in rules:
        engine = Engine([rule], firm)
        assert engine.flags(of(said("pay", out=False)))
        assert () == engine.flags(of(said("pay", NOON + 10, out=False)))
        assert () == Engine([rule]).flags(of(said("pay", out=False)))
