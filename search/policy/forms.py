"""Well-known forms of disclaimers, signatures, quotes and automatic texts, in several languages.

Owns the expressions and nothing else; `zones.py` says what is done with them. Each is bounded in
what it may run over, so that a long text is read in linear time.
"""

from __future__ import annotations

import re
from typing import Final

_FLAGS: Final = re.IGNORECASE | re.MULTILINE


def _any(*forms: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in forms), _FLAGS)


# Clauses that say themselves what they are; only they are cut, never what stands beside them.
CLAUSES: Final = _any(
    r"past (?:performance|results?) (?:is|are|do(?:es)?) (?:not|no|never)[\w ]{0,40}"
    r"(?:future|results?|returns?)(?: (?:results?|returns?|performance))?",
    r"(?:your )?capital (?:is )?at risk",
    r"the value of (?:your )?investments (?:can|may) (?:go down|fall) as well as (?:up|rise)",
    r"(?:frühere |vergangene )?wertentwicklung(?:en)?(?: (?:in|aus) der vergangenheit)?"
    r"[\w äöüß]{0,60} zukünftige?[nr]? (?:entwicklung|wertentwicklung|ergebnisse|erträge|renditen?)"
    r"(?:en)?",
    r"les performances passées (?:ne préjugent pas|ne garantissent pas)"
    r"(?: (?:des|les) (?:performances|résultats) futur[es]+)?",
    r"(?:las )?rentabilidades pasadas no (?:garantizan|son garantía de|presuponen)"
    r"(?: (?:rentabilidades|resultados) futur[oa]s)?",
    r"(?:过往|過往)(?:业绩|業績|表现|表現)(?:并|並)?不(?:代表|预示|預示|保证|保證|构成|構成)"
    r"(?:其)?(?:未来|未來)(?:业绩|業績|表现|表現|收益)?(?:的)?(?:保证|保證)?",
    r"(?:投资有风险|投資有風險)[，, ]?(?:入市需谨慎|入市需謹慎)?",
    r"الأداء السابق (?:لا يضمن|ليس ضمانا?ً?|لا يعد)"
    r"(?: (?:النتائج|الأداء) (?:المستقبلية|المستقبلي))?",
)
# A sentence of a notice that is nobody's own words.
NOTICES: Final = _any(
    r"\bthis (?:e-?mail|message|communication)\b.{0,80}?\b(?:is|are|may be|contains?)\b.{0,40}?"
    r"\b(?:confidential|privileged)\b",
    r"\bif you (?:are|were) not the (?:intended|named) (?:recipient|addressee)",
    r"\bintended (?:only|solely|exclusively)? ?for the (?:use of the )?(?:named )?"
    r"(?:addressee|recipient|person|individual|entity)",
    r"\bif you (?:have )?received this (?:e-?mail|message) in error",
    r"\bany (?:unauthori[sz]ed )?(?:use|copying|disclosure|distribution|dissemination)\b.{0,100}?"
    r"\b(?:prohibited|forbidden|unlawful)\b",
    r"\bdiese (?:e-?mail|nachricht)\b.{0,80}?\bvertrauliche?\b",
    r"\bwenn sie nicht der (?:richtige |beabsichtigte )?(?:adressat|empfänger)",
    r"\bce (?:message|courriel|mail)\b.{0,80}?\bconfidentiel",
    r"\bsi vous n['’]êtes pas le destinataire",
    r"\beste (?:mensaje|correo)\b.{0,80}?\bconfidencial",
    r"\bsi (?:usted )?no es el destinatario",
    r"(?:本邮件|本郵件|此邮件|本信息|本消息)[^。\n]{0,40}(?:保密|机密|機密)",
    r"如(?:果)?您(?:并)?(?:不是|非)[^。\n]{0,20}收件人",
    r"هذه الرسالة.{0,60}سرية",
    r"إذا لم تكن المستلم",
)
# The mark under which a mail program puts a signature, and what telephones add.
SIGNATURE_MARK: Final = re.compile(r"^--[ \t]?$", re.MULTILINE)
SENT_FROM: Final = _any(
    r"^[ \t]*sent (?:from|via) (?:my |the )?[\w .+-]{1,40}$",
    r"^[ \t]*get outlook for \w{1,20}$",
    r"^[ \t]*(?:von|vom) mein(?:em|er) [\w .+-]{1,40} gesendet$",
    r"^[ \t]*gesendet von [\w .+-]{1,40}$",
    r"^[ \t]*envoyé (?:de|depuis) (?:mon )?[\w .+-]{1,40}$",
    r"^[ \t]*enviado (?:desde|do) (?:mi |meu )?[\w .+-]{1,40}$",
    r"^[ \t]*inviato da(?:l mio)? [\w .+-]{1,40}$",
    r"^[ \t]*(?:发自|發自|从|來自)我的 ?[\w .+-]{1,40}$",
    r"^[ \t]*(?:أُ?رسلت? من|تم الإرسال من).{1,40}$",
)
# A line that closes a letter, with a short name at most behind it.
CLOSING: Final = re.compile(
    r"^[ \t]*(?:(?:best|kind|warm|many thanks and)? ?regards|yours (?:sincerely|faithfully|truly)|"
    r"sincerely|best wishes|cheers|"
    r"(?:mit )?(?:freundlichen|besten|herzlichen|vielen) grüßen|(?:viele|beste|liebe|schöne) grüße|"
    r"mfg|hochachtungsvoll|"
    r"cordialement|bien (?:cordialement|à vous)|salutations distinguées|"
    r"(?:un )?(?:cordial )?saludos?(?: cordiales)?|atentamente|"
    r"cordiali saluti|atenciosamente|com os melhores cumprimentos|"
    r"此致|敬礼|敬禮|顺祝商祺|順祝商祺|"
    r"مع (?:أطيب |خالص )?(?:التحيات|التحية|تحياتي)|وتفضلوا بقبول فائق الاحترام)"
    r"[ \t]*[,،，!.]?[ \t]*[^.?!。！？؟:\n]{0,40}$", re.IGNORECASE | re.MULTILINE)
# What stands over a text that is another's.
FORWARDED: Final = _any(
    r"^[ \t]*-{2,}[ \t]*(?:forwarded message|weitergeleitete nachricht|message transféré|"
    r"mensaje reenviado|messaggio inoltrato|mensagem encaminhada|"
    r"转发的(?:消息|邮件)|轉寄的(?:訊息|郵件)|"
    r"رسالة م[ُ]?عاد توجيهها)[ \t]*-{2,}",
    r"^[ \t]*(?:begin forwarded message|anfang der weitergeleiteten (?:nachricht|e-?mail)|"
    r"début du message (?:réexpédié|transféré)|inicio del mensaje reenviado|"
    r"inizio messaggio inoltrato|بدء الرسالة المعاد توجيهها)[ \t]*:",
    r"\A[ \t]*(?:fwd?|wg|tr|rv|转发|轉寄|إعادة توجيه)[ \t]*[:：]",
)
QUOTED_BELOW: Final = _any(
    r"^[ \t]*-{2,}[ \t]*(?:original message|ursprüngliche nachricht|message d['’]origine|"
    r"mensaje original|messaggio originale|mensagem original|原始(?:邮件|消息)|原始郵件|"
    r"الرسالة الأصلية)[ \t]*-{2,}",
    r"^[ \t]*on .{4,160} wrote:[ \t]*$", r"^[ \t]*am .{4,160} schrieb.{0,80}:[ \t]*$",
    r"^[ \t]*le .{4,160} a écrit[ \u00a0]?:[ \t]*$", r"^[ \t]*el .{4,160} escribió:[ \t]*$",
    r"^[ \t]*il .{4,160} ha scritto:[ \t]*$", r"^[ \t]*em .{4,160} escreveu:[ \t]*$",
    r"^[ \t]*在? ?.{4,120} ?写道[:：][ \t]*$", r"^[ \t]*في .{4,160} كتب.{0,80}:[ \t]*$",
)
QUOTED_LINE: Final = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
# A line of another chat, copied with its head.
COPIED_LINE: Final = re.compile(
    r"^\[?\d{1,4}[./-]\d{1,2}[./-]\d{1,4},? \d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: ?[ap]\.?m\.?)?\]?"
    r"(?: -)? [^:\n]{1,60}: .*$", _FLAGS)
# What a machine writes.
AUTOMATIC: Final = _any(
    r"\bthis is an automated (?:message|reply|response)",
    r"^[ \t]*\[?auto(?:matic|mated)?[- ]reply\b",
    r"\b(?:reply|text) stop to (?:unsubscribe|opt out|end|cancel)",
    r"^[ \t]*\[?automatische (?:antwort|nachricht)\b", r"^[ \t]*\[?réponse automatique\b",
    r"^[ \t]*\[?respuesta automática\b", r"^[ \t]*\[?risposta automatica\b",
    r"^[ \t]*[\[【]?自[动動](?:回复|回覆)", r"^[ \t]*\[?رد (?:تلقائي|آلي)",
)
# Where a sentence ends.
SENTENCE_END: Final = re.compile(r"[.!?。！？؟\n]+(?:[ \t\"'”’)]+|$|\n|(?<=[。！？\n]))")


def phrases(said: tuple[str, ...]) -> re.Pattern[str] | None:
    """The firm's own phrases, whatever stands between their words; null for none."""
    forms = [r"[\W_]{1,20}".join(map(re.escape, words)) for words in
             (re.findall(r"[^\W_]+", one) for one in said) if words]
    return re.compile("|".join(f"(?<![^\\W_])(?:{one})(?![^\\W_])" for one in forms),
                      re.IGNORECASE) if forms else None
