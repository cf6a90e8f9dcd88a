"""Lists that others keep, as far as identifiers in a text are told from other text by them. Data.

Owns the copies: countries (ISO 3166-1), IBAN structures (SWIFT registry), currencies (ISO 4217),
first and last labels of domain names (IANA), lengths of telephone numbers (ITU E.164). They grow
slowly; what is new in them changes what an index holds, so a change here changes `entries.SHAPE`.
"""

from __future__ import annotations

from typing import Final


def _set(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


COUNTRIES: Final = _set(
    "ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br "
    "bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz "
    "ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw "
    "gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky "
    "kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv "
    "mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py "
    "qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg "
    "th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws ye yt za zm "
    "zw")

# What securities are numbered by beside countries: international ones, the European Union, and
# the substitutes.
ISIN_PREFIXES: Final = COUNTRIES | _set("xs eu qs qt xa xb xc xd xf xk")

# What follows the country and the two check digits: n = digits, a = letters, c = either.
IBAN_STRUCTURES: Final = dict(one.split(":") for one in _set(
    "ad:8n12c ae:19n al:8n16c at:16n az:4a20c ba:16n be:12n bg:4a6n8c bh:4a14c bi:23n br:23n1a1c "
    "by:4c4n16c ch:5n12c cr:18n cy:8n16c cz:20n de:18n dj:23n dk:14n do:4c20n ee:16n eg:25n es:20n "
    "fi:14n fk:2a12n fo:14n fr:10n11c2n gb:4a14n ge:2a16n gi:4a15c gl:14n gr:7n16c gt:24c hn:4a20n "
    "hr:17n hu:24n ie:4a14n il:19n iq:4a15n is:22n it:1a10n12c jo:4a4n18c kw:4a22c kz:3n13c "
    "lb:4n20c lc:4a24c li:5n12c lt:16n lu:3n13c lv:4a13c ly:21n mc:10n11c2n md:20c me:18n "
    "mk:3n10c2n mn:16n mr:23n mt:4a5n18c mu:4a19n3a ni:4a20n nl:4a10n no:11n om:3n16c pk:4a16c "
    "pl:24n ps:4a21c pt:21n qa:4a21c ro:4a16c rs:18n ru:14n15c sa:2n18c sc:4a20n3a sd:14n se:20n "
    "si:15n sk:20n sm:1a10n12c so:19n st:21n sv:4a20n tl:19n tn:20n tr:6n16c ua:6n19c va:18n "
    "vg:4a16n xk:16n ye:4a4n18c"))

# --- domain names --------------------------------------------------------------------------------

# Last labels by which an address without "https://" is told from two sentences without a space
# between them. Names of files (zip, mov) are none.
TOP_DOMAINS: Final = COUNTRIES | _set(
    "com net org info biz edu gov mil int arpa eu uk su ac asia pro mobi jobs tel cat coop "
    "aero museum app dev page web cloud online site website store shop tech space xyz club live "
    "life world today news media agency digital email group company business finance financial "
    "bank capital fund trade trading exchange markets money law legal lawyer attorney consulting "
    "solutions services software systems network host link click top vip win fun icu one global "
    "international london berlin paris tokyo nyc africa"
) | frozenset("xn--" + label.encode("punycode").decode("ascii") for label in _set(
    "рф рус укр бел бг мкд срб мон қаз ею ευ ελ გე հայ сайт онлайн москва орг 中国 中國 "
    "香港 台湾 台灣 新加坡 公司 网络 한국 ไทย भारत مصر امارات السعودية المغرب قطر"))

# Last labels that are words as well: `fine.it was` is no address, `example.it/offer` is one.
TOP_DOMAIN_WORDS: Final = _set(
    "am as at be by do es et id il im in is it la md me my na ne no pa py re se sh si so st su to "
    "us va vi top one live life world today news media group company business money law legal link "
    "win fun club pro site space store trade email")

# --- money ---------------------------------------------------------------------------------------

_CODES: Final = _set(
    "aed afn all amd aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn bwp byn "
    "bzd cad cdf chf clf clp cny cop crc cup cve czk djf dkk dop dzd egp ern etb eur fjd fkp gbp "
    "gel ghs gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr iqd irr isk jmd jod jpy kes kgs khr "
    "kmf kpw krw kwd kyd kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk mnt mop mru mur mvr mwk "
    "mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar "
    "sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt tnd top try ttd twd tzs "
    "uah ugx usd uyu uzs ved ves vnd vuv wst xaf xcd xcg xof xpf yer zar zmw zwg "
    "btc eth usdc usdt")

# Codes that are words or units too count in capitals only: "try 5", "5 kgs", "5 sek".
CURRENCIES_IN_CAPITALS: Final = _set(
    "all amd ars bam bob cdf cop cup cve eth gel kgs lak mad mop mur pen php sdg sek shp sos top "
    "try")

# As it is written (normalised, lower case) -> ISO 4217, or the sign itself where several countries
# use it.
CURRENCIES: Final = {
    **{code: code.upper() for code in _CODES},
    "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "₽": "RUB", "руб": "RUB",
    "рублей": "RUB", "₹": "INR", "₺": "TRY", "tl": "TRY", "₩": "KRW", "원": "KRW", "₪": "ILS",
    "₫": "VND", "฿": "THB", "₴": "UAH", "грн": "UAH", "₦": "NGN", "₱": "PHP", "₡": "CRC",
    "₲": "PYG", "₵": "GHS", "₸": "KZT", "₼": "AZN", "₾": "GEL", "₭": "LAK", "₮": "MNT",
    "៛": "KHR", "₿": "BTC", "zł": "PLN", "kč": "CZK", "лв": "BGN", "fr": "CHF", "sfr": "CHF",
    "元": "CNY", "圆": "CNY", "块": "CNY", "塊": "CNY", "rmb": "CNY", "yuan": "CNY", "円": "JPY",
    "yen": "JPY",
    "us$": "USD", "a$": "AUD", "au$": "AUD", "c$": "CAD", "ca$": "CAD", "hk$": "HKD", "s$": "SGD",
    "nz$": "NZD", "nt$": "TWD", "r$": "BRL", "mx$": "MXN",
    "$": "$", "dollar": "$", "dollars": "$", "¥": "¥", "kr": "kr", "rs": "rs", "rupees": "rs",
}
# Those of one character: they may stand directly beside a letter.
CURRENCY_SIGNS: Final = "".join(sign for sign in CURRENCIES if len(sign) == 1)

# What a sign of several countries may stand for: an amount with it is found by each.
CURRENCY_READINGS: Final = {
    "$": ("USD",), "¥": ("CNY", "JPY"), "kr": ("DKK", "NOK", "SEK"), "rs": ("INR", "PKR"),
}
# Three places after the point: 1.500 of these is one and a half.
CURRENCIES_OF_THREE_PLACES: Final = _set("BHD IQD JOD KWD LYD OMR TND")

# Behind a number: how many zeros it adds. Signs may stand directly beside a letter.
SCALES: Final = {
    "k": 3, "tsd": 3, "thousand": 3, "m": 6, "mm": 6, "mn": 6, "mio": 6, "mln": 6,
    "million": 6, "millions": 6, "millionen": 6, "bn": 9, "mrd": 9, "billion": 9, "billions": 9,
    "lakh": 5, "lakhs": 5, "lac": 5, "crore": 7, "crores": 7, "cr": 7,
    "тыс": 3, "млн": 6, "млрд": 9,
}
SCALE_SIGNS: Final = {"千": 3, "万": 4, "萬": 4, "億": 8, "亿": 8, "만": 4, "억": 8}

# --- telephone numbers ---------------------------------------------------------------------------

# Digits of a number in international form, its country code included, where that is certain: what
# follows in a text is no part of it.
E164_DIGITS_MAX: Final = {
    "1": 11, "7": 11, "20": 12, "30": 12, "32": 11, "33": 11, "34": 11, "41": 11, "44": 12,
    "45": 10, "47": 10, "48": 11, "51": 11, "52": 12, "54": 13, "55": 13, "56": 11, "57": 12,
    "60": 12, "61": 11, "63": 12, "64": 12, "65": 10, "66": 11, "81": 12, "82": 12, "84": 12,
    "86": 13, "90": 12, "91": 12, "92": 12, "234": 13, "254": 12, "351": 12, "353": 12,
    "359": 12, "380": 12, "420": 12, "852": 11, "853": 11, "886": 12, "966": 12, "971": 12,
    "972": 12,
}
