"""A guess at a language that is only made where it can be."""

from __future__ import annotations

import pytest

from search.policy.languages import LANGUAGES, may_be


@pytest.mark.parametrize(("text", "language"), [
    ("I will send you the contract and the invoice", "en"),
    ("Ich schicke Ihnen den Vertrag und die Rechnung", "de"),
    ("Je vous envoie le contrat et la facture", "fr"),
    ("Le envío el contrato y la factura, no se preocupe", "es"),
    ("Ti mando il contratto e la fattura", "it"),
    ("Eu não sei se você tem o contrato", "pt"),
    ("Ik stuur je het contract en de factuur", "nl"),
    ("我把合同发给你", "zh"),
    ("契約書を送ります", "ja"),
    ("계약서를 보내겠습니다", "ko"),
    ("سأرسل لك العقد", "ar"),
    ("من قرارداد را می‌فرستم چون", "fa"),
    ("אשלח לך את החוזה", "he"),
    ("Я отправлю вам договор", "ru"),
    ("Я надішлю вам договір", "uk"),
    ("Θα σας στείλω το συμβόλαιο", "el"),
    ("ฉันจะส่งสัญญา", "th"),
    ("मैं अनुबंध भेजूंगा", "hi"),
])
def test_languages_are_told(text: str, language: str) -> None:
    """By their script or their commonest words."""
    assert language in may_be(text)
    assert language in LANGUAGES


@pytest.mark.parametrize("text", ["", "ok", "guarantee", "12345", "👍", "Deal!", "die"])
def test_short_texts_are_of_no_known_language(text: str) -> None:
    """Nothing is concluded from a word."""
    assert frozenset() == may_be(text)


def test_a_mixed_text_may_be_of_several() -> None:
    """Both are named: no rule of either is kept from it."""
    assert {"en", "zh"} <= may_be("please send the contract to me, 谢谢，我等你")
