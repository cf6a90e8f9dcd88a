"""What is not the author's own words is found, named and never lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.policy import forms, zones
from search.policy.lexicon import DISCLAIMER, FORWARDED, QUOTED, SIGNATURE, SYSTEM, ZONES
from search.policy.zones import find, without

PIECES = (
    "I will pay you tomorrow.", "> what did you say", "\n", "\n\n", " ", "--\n", "Ann Lee",
    "Best regards,\n", "Mit freundlichen Grüßen\n", "On 3 Jan 2026, Bob Roe wrote:\n",
    "---------- Forwarded message ----------\n", "Sent from my iPhone",
    "Past performance is no guarantee of future results", "This message is confidential. ",
    "如果您不是收件人，请删除。", "مع أطيب التحيات\n",
    "If you are not the intended recipient, delete it.", "[01/02/2026, 10:15:02] Ann: hello\n",
    "P.S. pay in cash", "。", "!", "\u200f", "😀",
)


def kept(text: str, *out: str, own: tuple[str, ...] = ()) -> str:
    """What is read of a text, its parts joined by |."""
    zoned = without(text, find(text, own=forms.phrases(own)), out or ZONES)
    return "|".join(text[start:end].strip() for start, end in zoned.kept if text[start:end].strip())


@pytest.mark.parametrize(("text", "left", "zone"), [
    ("Yes.\n> I guarantee it\n> and more\nAgreed", "Yes.|Agreed", QUOTED),
    ("Sure\n\nOn Mon, 3 Jan 2026 at 10:00, Bob <b@x.org> wrote:\nI guarantee", "Sure", QUOTED),
    ("Ja gerne\nAm 03.01.2026 um 10:00 schrieb Bob Roe:\nIch garantiere", "Ja gerne", QUOTED),
    ("Oui\nLe lun. 3 janv. 2026 à 10:00, Bob a écrit :\nJe garantis", "Oui", QUOTED),
    ("Vale\nEl lun, 3 ene 2026 a las 10:00, Bob escribió:\nGarantizo", "Vale", QUOTED),
    ("好的\n在 2026年1月3日，王小明 写道：\n保证收益", "好的", QUOTED),
    ("تمام\nفي 3 يناير 2026، كتب بوب:\nأضمن", "تمام", QUOTED),
    ("See below\n-----Original Message-----\nguarantee", "See below", QUOTED),
    ("fyi\n[01/02/2026, 10:15:02] Ann Lee: I guarantee it", "fyi", QUOTED),
    ("12.01.26, 10:15 - Ann Lee: I guarantee it\nlook", "look", QUOTED),
    ("look\n---------- Forwarded message ---------\nguarantee", "look", FORWARDED),
    ("Anbei\nAnfang der weitergeleiteten Nachricht:\ngarantiert", "Anbei", FORWARDED),
    ("voilà\nDébut du message réexpédié :\ngaranti", "voilà", FORWARDED),
    ("看\n---------- 转发的邮件 ----------\n保证", "看", FORWARDED),
    ("Fwd: guaranteed profit", "", FORWARDED),
    ("Pay me.\n-- \nAnn Lee\nGuaranteed Ltd", "Pay me.", SIGNATURE),
    ("Pay me.\n\nKind regards,\nAnn Lee\nGuaranteed Ltd\n+1 650 555 1234", "Pay me.", SIGNATURE),
    ("Zahlen Sie.\nMit freundlichen Grüßen\nMax Muster", "Zahlen Sie.", SIGNATURE),
    ("Payez.\nCordialement, Jean", "Payez.", SIGNATURE),
    ("Pague.\nUn cordial saludo,\nAna", "Pague.", SIGNATURE),
    ("请付款。\n此致\n王小明", "请付款。", SIGNATURE),
    ("ادفع.\nمع أطيب التحيات،\nأحمد", "ادفع.", SIGNATURE),
    ("ok\nSent from my iPhone", "ok", SIGNATURE),
    ("ok\nVon meinem iPhone gesendet", "ok", SIGNATURE),
    ("ok\nEnvoyé de mon iPhone", "ok", SIGNATURE),
    ("ok\nEnviado desde mi iPhone", "ok", SIGNATURE),
    ("好\n发自我的iPhone", "好", SIGNATURE),
    ("Buy now. Past performance is not indicative of future results.", "Buy now.|.", DISCLAIMER),
    ("Gut. Wertentwicklungen der Vergangenheit sind keine Garantie für zukünftige Erträge.",
     "Gut.|.", DISCLAIMER),
    ("Bien. Les performances passées ne préjugent pas des performances futures.", "Bien.|.",
     DISCLAIMER),
    ("Rentabilidades pasadas no garantizan rentabilidades futuras. Compre", ". Compre",
     DISCLAIMER),
    ("买吧。过往业绩不预示未来表现。", "买吧。|。", DISCLAIMER),
    ("Come. This email and any attachments are confidential. See you.", "Come.|See you.",
     DISCLAIMER),
    ("Hallo. Diese E-Mail enthält vertrauliche Informationen. Bis bald.", "Hallo.|Bis bald.",
     DISCLAIMER),
    ("Ce message est strictement confidentiel. Merci", "Merci", DISCLAIMER),
    ("如果您不是预期的收件人，请删除。谢谢", "谢谢", DISCLAIMER),
    ("This is an automated message, guaranteed. Ann", "Ann", SYSTEM),
    ("Automatische Antwort: ich bin im Urlaub", "", SYSTEM),
    ("Great deal! Reply STOP to unsubscribe.", "Great deal!", SYSTEM),
])
def test_zones_are_found(text: str, left: str, zone: str) -> None:
    """In each language what its programs and people write; with the reason, and only that zone."""
    assert left == kept(text, zone)
    cuts = [one for one in find(text) if one.zone == zone]
    assert cuts and all(one.why for one in cuts)


@pytest.mark.parametrize("text", [
    "Best regards to your wife. I guarantee 20 % by Friday.",
    "Regards\nP.S. I guarantee 20 %",
    "Kind regards,\nAnn\nBy the way, I guarantee you will win this case.",
    "x > y is guaranteed",
    "Cheers\nguaranteed profit",
    "Pay me.\nRegards\n" + "\n" * 2_000 + "guaranteed profit",
    "I wrote: guaranteed",
    "- guaranteed\n- profit",
    "Please forward the message, guaranteed",
    "Your signature is guaranteed",
    "the past performance of the fund was guaranteed",
    "saludos a tu madre, el beneficio está garantizado. Llámame",
    "10:15 Ann: guaranteed",
])
def test_own_words_stay(text: str) -> None:
    """What only looks like a zone is the author's own, and is read."""
    assert text == kept(text)


def test_only_the_clause_of_a_disclaimer_is_cut() -> None:
    """Somebody who goes on in the same sentence is read."""
    text = "Past performance is no guarantee of future results, but I guarantee 20 %"
    assert ", but I guarantee 20 %" == kept(text)
    assert "but|, I promise" == kept("but Capital isn’t  safe, I promise",
                                     own=("capital isn't safe",))


def test_the_source_may_say_it_of_the_whole() -> None:
    """A forwarded message is a zone from its first character to its last."""
    cuts = find("I guarantee it", (FORWARDED, "said so"))
    assert ((), (zones.Cut(FORWARDED, 0, 14, "said so"),)) == (
        without("I guarantee it", cuts, ZONES).kept, without("I guarantee it", cuts, ZONES).cut)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=80),
       st.sets(st.sampled_from(ZONES)))
@settings(max_examples=150)
@example("", set(ZONES))
def test_nothing_is_lost(text: str, out: set[str]) -> None:
    """Kept and cut, in order, are the whole text; what is cut is of a zone that was to go."""
    zoned = without(text, find(text, own=forms.phrases(("pay you",))), out)
    parts = sorted([*zoned.kept, *((one.start, one.end) for one in zoned.cut)])
    assert text == "".join(text[start:end] for start, end in parts)
    assert all(start < end for start, end in parts)
    assert {one.zone for one in zoned.cut} <= out


def test_long_texts_are_read_in_time() -> None:
    """Texts made to make an expression look again and again: still one look."""
    for piece in ("on ", "> ", "this message ", "--\n", "a.b:", "12/1/26, 1:1 - ", "Regards\n",
                  "。", "[", "past performance is not "):
        assert find(piece * 4_000) is not None
