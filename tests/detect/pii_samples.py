"""One text for each entity that Presidio's patterns find, and pieces to put adversarial texts together from."""

from __future__ import annotations

SAMPLES = {
    line.split(": ", 1)[0]: line.split(": ", 1)[1]
    for line in """\
ABA_ROUTING_NUMBER: 021000021
AU_ABN: 51 824 753 556
AU_ACN: 004 085 616
AU_MEDICARE: 2123 45670 1
AU_TFN: 876 543 210
CA_POSTAL_CODE: K1A 0B1
CA_SIN: 130-692-544
CREDIT_CARD: 4111 1111 1111 1111
CRYPTO: 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2
DATE_TIME: 15.01.2024
DE_BSNR: 201234567
DE_FUEHRERSCHEIN: AB123456789
DE_HANDELSREGISTER: HRB 12345
DE_HEALTH_INSURANCE: A123456780
DE_ID_CARD: T22000129
DE_KFZ: M-AB 123
DE_LANR: 123456601
DE_PASSPORT: C01X00T09
DE_PLZ: 10115
DE_SOCIAL_SECURITY: 15070649C103
DE_TAX_ID: 86095742719
DE_TAX_NUMBER: 181/815/08155
DE_VAT_ID: DE 129 273 398
EMAIL_ADDRESS: bob@example.com
ES_NIE: X1234567L
ES_NIF: 12345678Z
ES_PASSPORT: AAA123456
FI_PERSONAL_IDENTITY_CODE: 131052-308T
IBAN_CODE: GB33 BUKB 2020 1555 5555 55
IN_AADHAAR: 2345 6789 0124
IN_GSTIN: 27AAPFU0939F1ZV
IN_PAN: ABCPE1234F
IN_PASSPORT: A12 34567
IN_VEHICLE_REGISTRATION: KA01AB1234
IN_VOTER: XGX1234567
IP_ADDRESS: 2001:db8::8a2e:370:7334
IT_DRIVER_LICENSE: AA0123456B
IT_FISCAL_CODE: RSSMRA80A01H501U
IT_IDENTITY_CARD: AA 1234567
IT_PASSPORT: AA1234567
IT_VAT_CODE: 12345678903
KR_BRN: 123-45-67891
KR_DRIVER_LICENSE: 11-12-123456-78
KR_FRN: 850101-5234567
KR_PASSPORT: M123A4567
KR_RRN: 960121-1013213
MAC_ADDRESS: 00:1A:2B:3C:4D:5E
MEDICAL_LICENSE: BB1388568
NG_NIN: 12345678902
NG_VEHICLE_REGISTRATION: ABC-123DE
PHONE_NUMBER: (415) 555-2671
PH_PASSPORT: P1234567A
PH_TIN: 123-456-009
PH_UMID: 1234-1234567-1
PL_PESEL: 44051401359
SE_ORGANISATIONSNUMMER: 556036-0793
SE_PERSONNUMMER: 811228-9874
SG_NRIC_FIN: S1234567D
SG_UEN: 53125226D
TH_TNIN: 1101700230708
TR_LICENSE_PLATE: 34 ABC 123
TR_NATIONAL_ID: 10000000146
UK_DRIVING_LICENCE: MORGA753116SM9IJ
UK_NHS: 943 476 5919
UK_NINO: AB 12 34 56 C
UK_PASSPORT: AB1234567
UK_POSTCODE: SW1A 1AA
UK_VEHICLE_REGISTRATION: AB12 CDE
URL: https://example.com/x?y=1
US_BANK_NUMBER: 1234567890
US_CLAIM_NUMBER: claim number: 123456
US_DRIVER_LICENSE: A1234567
US_HEALTH_INSURANCE_MEMBER_ID: ABC123456789
US_ITIN: 912-70-1234
US_MBI: 1EG4-TE5-MK73
US_NPI: 1234567893
US_PASSPORT: A12345678
US_PRESCRIPTION_NUMBER: rx : RX-1234567
US_PRIOR_AUTHORIZATION_NUMBER: prior  auth # PA-123456
US_PROVIDER_TAX_ID: billing provider tax id: 12-3456789
US_REFERRAL_NUMBER: referral no. REF-123456
US_SSN: 219-09-9999
UUID: 550e8400-e29b-41d4-a716-446655440000
ZA_COMPANY_REGISTRATION: 2020/123456/07
ZA_DRIVER_LICENSE: 1234567890AB
ZA_ID_NUMBER: 8001015009087
ZA_INCOME_TAX_NUMBER: 0123456782
ZA_LICENSE_PLATE: AB 12 CD GP
ZA_MOBILE_NUMBER: 082 123 4567
ZA_PASSPORT: A12345678
ZA_TELEPHONE_NUMBER: +27 21 123 4567
ZA_TRAFFIC_REGISTER_NUMBER: 1234567890123
ZA_VAT_NUMBER: 4123456789""".splitlines()
}

_BLANKS = [" "] * 25 + ["\n", "\t", ", ", ". "] * 3


def _parts(text: str) -> list[str]:
    return [part.replace("_", " ") for part in text.split()] + _BLANKS


PARTS = _parts("""
bob@example.com a.b+c@sub.example.co.uk x@localhost @ +1_(415)_555-2671 415-555-2671 (020)_7946_0958
+44_20_7946_0958 030_123456 +49_30_123456 4111_1111_1111_1111 5500005555555559 GB33_BUKB_2020_1555_5555_55
DE89370400440532013000 gb33 BUKB 2020 THIS 10.0.0.1 ::1 2001:db8::8a2e:370:7334 192.168.1.1/24 2024-01-15 10:30:00
1/2/2024 15.01.2024 12-JAN-2024 550e8400-e29b-41d4-a716-446655440000 00:1A:2B:3C:4D:5E 33-7C-3C-29-86-34
0012.3456.789A https://example.com/x?y=1 www.foo.org "foo.com" foo.com yap\u0131.info 078-05-1120 219-09-9999
943_476_5919 A1234567 F255921225432
912-70-1234 BB1388568 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 ext. x extension int # 5 12 345 ( + [
) ~ , . - ;ext=9 -- / the number 2024 3.14159 1700000000 $19.99 v1.2.3 \u00e9 123456789
word.Next yap\u0130.\u0130nfo""")
"""For the entities of the default registry."""

COUNTRY_PARTS = [*_parts("B- the of DE B AB claim rx HRB no. number : # 12 123 7"), *SAMPLES.values()]

# Texts, and what is found in them beside what Presidio finds.
SETTLED_TOO: list[tuple[str, list[str]]] = [
    # A word before says what a number is; a number of no country's plan is a phone's then all the same.
    ("Call 555-0186.", ["555-0186"]),
    ("Her mobile is 07700 900123.", ["07700 900123"]),
    ("(555) 010-9999 or 212-555-0147", ["(555) 010-9999", "212-555-0147"]),
    ("Telefon: 0664 1234567", ["0664 1234567"]),
    ("тел. 8 (495) 123-45-67", ["8 (495) 123-45-67"]),
    ("电话13800138000，谢谢", ["13800138000"]),
    ("연락처는 010-1234-5678로", ["010-1234-5678"]),
    ("Sam, +34 612 345 678, is in.", ["+34 612 345 678"]),
    ("My SSN is 000-12-3456.", ["000-12-3456"]),
    ("2221 0000 0000 0009 is a Mastercard", ["2221 0000 0000 0009"]),
    # The word after an account number is no part of it.
    ("Pay AT61 1904 3002 3457 3201 there.", ["AT61 1904 3002 3457 3201"]),
    # No blank stands between scripts; a name and its number are joined by `_`.
    ("邮箱bob@example.com请查收", ["bob@example.com"]),
    ("用户@例子.公司 почта@пример.рф", ["用户@例子.公司", "почта@пример.рф"]),
    ("card_4111111111111111_ok", ["4111111111111111"]),
    ("john.doe@example.com:secret/1 is leaked", ["john.doe@example.com"]),
    ("Phone no. 4155552671", ["4155552671"]),
    ("4111.1111.1111.1111", ["4111.1111.1111.1111"]),
    ("4111_1111_1111_1111", ["4111_1111_1111_1111"]),
    ("4111/1111/1111/1111", ["4111/1111/1111/1111"]),
    ("4111  1111  1111  1111", ["4111  1111  1111  1111"]),
    # What stands before an address in a link, a list or italics is no part of it.
    ("https://x.test/u/john.doe@example.com", ["john.doe@example.com"]),
    ("https://x.test/?a=1&u=john.doe@example.com&b=2", ["john.doe@example.com"]),
    ("and/john.doe@example.com", ["john.doe@example.com"]),
    ("_john.doe@example.com_ **amy@example.com**", ["john.doe@example.com", "amy@example.com"]),
    ("mailto:john.doe@example.com?subject=x", ["john.doe@example.com"]),
    ("bоb@exаmple.соm", ["bоb@exаmple.соm"]),
    # Ideographic dots are dots where a domain has no other; behind one that is whole they end the sentence.
    (
        "mail john.doe@example。com or amy@mail｡example｡com.",
        ["john.doe@example。com", "amy@mail｡example｡com"],
    ),
    ("写信给a@example.com。John会回复，或a@example。com。谢谢", ["a@example.com", "a@example。com"]),
    ("jane(at)example.com, jane[AT]example[dot]com", ["jane(at)example.com", "jane[AT]example[dot]com"]),
    ("4̶1̶1̶1̶ 1111 1111 1111", ["4̶1̶1̶1̶ 1111 1111 1111"]),
    ("❹❶❶❶ ①①①① 1111 1111", ["❹❶❶❶ ①①①① 1111 1111"]),
    # The letter of an escape is no part of what stands behind it: code, JSON within JSON, a terminal's colours.
    (r"Cards:\n4111 1111 1111 1111\tSSN:\n536-22-8726", ["4111 1111 1111 1111", "536-22-8726"]),
    (r"x\u0022DE89370400440532013000\u0022", ["DE89370400440532013000"]),
    (r"to:\njane@example.com", ["jane@example.com"]),
    ("\x1b[1;31m4111 1111 1111 1111 ", ["4111 1111 1111 1111"]),
]
