"""How people say OK, as a query of the search language: what a number may no longer change after.

Owns that list. A refusal that holds such a word ("not ok") is none; the rest errs towards an OK: a
number that is changed later is then looked at by a person.
"""

from __future__ import annotations

from typing import Final

_YES: Final[dict[str, tuple[str, ...]]] = {
    "en": ("ok", "okay", "okey", "yes", "yep", "yeah", "agreed", "agree", "confirmed", "confirm",
           "approved", "accepted", "fine", "deal", "done", "perfect", "great", "sure",
           "sounds good", "go ahead", "works for me", "looks good", "will do", "thanks"),
    "de": ("ja", "einverstanden", "passt", "bestätigt", "bestätige", "genehmigt", "in ordnung",
           "alles klar", "geht klar", "gerne", "abgemacht", "freigegeben", "danke"),
    "fr": ("oui", "d'accord", "entendu", "confirmé", "je confirme", "c'est bon", "ça marche",
           "parfait", "validé", "approuvé", "merci"),
    "es": ("sí", "si", "vale", "de acuerdo", "confirmado", "confirmo", "perfecto", "aprobado",
           "acepto", "hecho", "conforme", "gracias"),
    "it": ("sì", "va bene", "d'accordo", "confermo", "confermato", "perfetto", "grazie"),
    "pt": ("sim", "combinado", "de acordo", "confirmado", "perfeito", "obrigado", "obrigada"),
    "zh": ("好", "好的", "可以", "同意", "确认", "確認", "没问题", "沒問題", "收到", "成交"),
    "ar": ("نعم", "موافق", "موافقة", "أوافق", "تمام", "حسنا", "اتفقنا", "تم", "أكيد", "شكرا"),
    "": ("👍", "👌", "✅", "✔", "🤝", "🆗", "💯"),
}
_NO: Final = (
    "not ok", "not okay", "not agreed", "not confirmed", "not approved", "don't agree",
    "do not agree", "not fine", "nicht einverstanden", "nicht ok", "nicht in ordnung",
    "passt nicht", "pas d'accord", "pas ok", "no estoy de acuerdo", "no vale", "non va bene",
    "não concordo", "不行", "不可以", "不同意", "不好", "غير موافق", "لا أوافق", "مو موافق",
)

OK_QUERY: Final = "({}) NOT ({})".format(
    " OR ".join(f'"{one}"' for one in dict.fromkeys(word for words in _YES.values()
                                                   for word in words)),
    " OR ".join(f'"{one}"' for one in _NO))
