"""Secrets: every kind is found whole, what only looks like one is not, and no cut makes a difference."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect.base import HELD_CHARS_MAX, NO_CONTEXT
from proxy.detect.normalise import latin
from proxy.detect.regexes import RegexSet, compile_unchecked
from proxy.detect.secret_checks import base62
from proxy.detect.secret_kinds import FORMS, KINDS, Form
from proxy.detect.secrets import SecretEntry, SecretError, SecretsBank, _form, loosened
from proxy.detect.sieve import Sieve
from tests.detect.secret_letters import jwt, mixed
from tests.detect.secret_samples import ENDLESS, IN_CONTEXT, OTHER_FORMS, PHRASE, TOKENS
from tests.detect.support import HARMLESS, assert_any_cut_is_the_same, shown, sizes, texts_of, whole

ALL = SecretsBank([SecretEntry(0, frozenset(KINDS))])


def found(text: str) -> list[tuple[str, str]]:
    return [(match.label, text[match.start : match.end]) for match in whole(ALL, text)]


def test_every_kind_has_a_sample() -> None:
    assert set(TOKENS) | {kind for kind, _, _ in IN_CONTEXT} == set(KINDS)
    assert len(KINDS) >= 100


@pytest.mark.parametrize(("kind", "token"), TOKENS.items(), ids=TOKENS)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "It is {}.",
        "KEY={}\n",
        '{{"v": "{}"}}',
        r'"line\n{}\nmore"',
        "`{}`",
        "(see {}, thanks)",
        "是{}。",
    ],
)
def test_a_token_is_found_whole(kind: str, token: str, around: str) -> None:
    assert found(around.format(token)) == [(kind, token)]


@pytest.mark.parametrize(("kind", "text", "value"), [*IN_CONTEXT, *OTHER_FORMS])
def test_a_value_is_found_in_its_context(kind: str, text: str, value: str) -> None:
    assert found(text) == [(kind, value)]
    assert found(f"so it is {text} and") == [(kind, value)]


@pytest.mark.parametrize(("kind", "token"), TOKENS.items(), ids=TOKENS)
def test_near_misses_of_every_kind(kind: str, token: str) -> None:
    bank = SecretsBank([SecretEntry(0, frozenset({kind}))])
    assert shown(bank, token) == [token]
    # The first part of a token, as documentation shows it, and one whose letters are all the same.
    assert shown(bank, token[:10] + "...") == []
    assert shown(bank, token[:10] + "x" * len(token)) == []
    assert shown(bank, token.replace(token[4:], "<your-token-here>")) == []
    if not token.startswith(("-----", "https", "AIza")):
        assert shown(bank, "ab" + token) == [], "letters run on before it"
    if not token.startswith(("-----", "https", "ya29", "sl.", "ops_", "eyJ")):
        assert shown(bank, token + "Zq9" * 250) == [], "letters run on behind it"


@pytest.mark.parametrize(("kind", "text", "value"), IN_CONTEXT)
def test_near_misses_in_context(kind: str, text: str, value: str) -> None:
    for stand_in in ("your-api-key-here", "x" * 24, "<token>", "${VAR}", "changeme", "********", "..."):
        assert found(text.replace(value, stand_in)) == []
    assert found(value) in ([], [(kind, value)]), "the value alone is no other kind"


QUIET = {
    "keys for all": "reCAPTCHA site key: 6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI; cache key: 9fceb02d0ae598e95dc9",
    "names of secrets": "arn:aws:secretsmanager:us-east-1:123456789012:secret:MyDatabaseSecret-a1b2c3",
    "tokens of chains": "Token contract: 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
    "talk": "The password is case-sensitive. passing combine=True; My pass rate is 95.5%; it is SHA256-signed",
    "images": "docker run -e POSTGRES_PASSWORD=mysecretpassword postgres:16 and xoxo-love-and-kisses-2024-to-you",
    "other scripts": "パスワードは8文字以上 密码: 至少8位 пароль должен содержать минимум 8 символов",
    "pages": "next_token: eyJsYXN0X2lkIjoxMjM0NTY3ODkwfQ==, nextPageToken: CiAKGjBpNDd2Nmp2Zml2cXRwYjBpOXA",
    "uuid": "id 550e8400-e29b-41d4-a716-446655440000, token: 550e8400-e29b-41d4-a716-446655440000",
    "git": "commit 9fceb02d0ae598e95dc970b74767f19372d61af8\nindex 83db48f..bf2a7c1 100644",
    "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    " md5=5d41402abc4b2a76b9719d91",
    "lock": 'resolved "https://registry.npmjs.org/a/-/a-1.0.tgz#6ac0b7d1"\n    integrity sha512-'
    + base64.b64encode(hashlib.sha512(b"a").digest()).decode(),
    "image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ",
    "isbn": "ISBN 978-3-16-148410-0 and 0-306-40615-2",
    "code": "api_key = os.environ['API_KEY']\npassword = getpass()\ntoken = self.tokens.pop()\n"
    "secret: str | None = None\n"
    "const token = await getAccessToken2(req);\nif (password === user.password1) {}\n"
    "apiKey: process.env.API_KEY_V2",
    "types": "def login(password: Annotated[str, Form()], token: Optional[str] = None, "
    "api_key: SecretStr) -> None: ...",
    "calls": "password = base64.b16encode(x)\nkey: private_key: ed25519.Ed25519PrivateKey\n"
    "token = utf8_to_utf16_dup(p)",
    "paths": "password_file: /run/secrets/db_password_1\nprivate_key: ./keys/id_ed25519\n"
    "token_url: https://a.example/v2",
    "counts": "max_tokens: 4096\ntoken_count=1234567890\ntokens: 1,234,567\npassword_min_length: 12",
    "stand-ins": 'OPENAI_API_KEY=sk-...\nAPI_KEY="your-api-key-here"\nPASSWORD=changeme\nTOKEN=<token>\n'
    "SECRET=${SECRET_1}\n"
    "password: ********\nSTRIPE=sk_test_xxxxxxxxxxxxxxxxxxxxxxxx\ntoken: {{ vault.token1 }}\npassword: [REDACTED1]",
    "names": "secretKeyRef:\n  name: db-credentials-v2\n  key: password\n"
    "password_hash: $2b$12$KIXQ4S1bG9V0Wc1x3yZ0xO",
    "address": "https://user:password@example.com and postgres://user:pass@localhost/db",
    "times": "token expires: 2024-01-15T10:30:00Z; secret: rotated 2024-01-15",
    "css": ".sk-fading-circle-with-a-very-long-name { color: red } .hf_layout_container_with_many_nested_columns{}",
    "minified": "!function(e,t){var n=e.password1||t.token2;n&&(r.secret=o.key9),"
    "e.apiKey=t?i:u}(a,b);var fw_a=re_b_c.d;",
    "public key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "ssh public": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@host",
    "talk of keys": "A file starts with -----BEGIN RSA PRIVATE KEY----- "
    "and ends with -----END RSA PRIVATE KEY-----.",
    "prose": "The password is a secret: nobody knows it. Token: a thing that stands for another. "
    "Bearer of bad news, "
    "authorization basic training, the key: persistence. Passwords: never share them. Credentials: see page 12.",
    "no jwt": "eyJub3QganNvbiBhdCBhbGw.eyJhbHNvIG5vdCBqc29uLi4.c2lnbmF0dXJlaGVyZQ",
    **HARMLESS,
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_what_is_no_secret(text: str) -> None:
    assert found(text) == []


def test_checksums_that_hold_make_certain_and_others_do_not_excuse() -> None:
    token = TOKENS["GITHUB_TOKEN"]
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert [match.score for match in whole(ALL, f"{token} {wrong}")] == [1.0, 0.9]
    age = TOKENS["AGE_SECRET_KEY"]
    assert [match.score for match in whole(ALL, age)] == [1.0]
    assert base62(0) == "000000"


@pytest.mark.parametrize(
    ("disguise", "name"),
    [
        (lambda text: "\u200b".join(text), "zero width"),
        (lambda text: text[:9] + "\u00ad" + text[9:], "soft hyphen"),
        (lambda text: "".join(chr(ord(c) + 0xFEE0) for c in text), "fullwidth"),
        (lambda text: text.replace("-", "\u2011"), "non-breaking hyphen"),
    ],
)
def test_disguises(disguise: object, name: str) -> None:
    assert callable(disguise)
    for kind in ("OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "SLACK_TOKEN"):
        text = disguise(TOKENS[kind])
        assert found(f"a {text} b") == [(kind, text)], name


def test_an_underscore_ends_a_key_that_has_none() -> None:
    bank = SecretsBank([SecretEntry(0, frozenset({"AWS_ACCESS_KEY_ID", "OPENAI_API_KEY"}))])
    assert shown(bank, "_AKIA2E0A8F3B244C9986_ and so on") == ["AKIA2E0A8F3B244C9986"]
    assert shown(bank, "AKIA2E0A8F3B244C9986b_") == []


def test_overlapping_kinds_are_one_finding_under_the_surest_name() -> None:
    token = TOKENS["STRIPE_API_KEY"]
    assert found(f'"api_key": "{token}"') == [("STRIPE_API_KEY", token)]
    two = SecretsBank(
        [
            SecretEntry(3, frozenset({"SECRET_ASSIGNMENT"})),
            SecretEntry(5, frozenset({"STRIPE_API_KEY", "GITHUB_TOKEN"})),
        ]
    )
    labels = [(match.rule, match.label) for match in whole(two, f"api_key={token}")]
    assert labels == [(3, "SECRET_ASSIGNMENT"), (5, "STRIPE_API_KEY")]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SecretError, match="GITHUB"):
        SecretsBank([SecretEntry(0, frozenset({"GITHUB"}))])


def test_a_key_longer_than_the_bound_is_cut_there() -> None:
    first, *_ = whole(ALL, f"Key:\n{ENDLESS}\n")
    assert (first.label, first.start, first.end, first.cut) == ("PRIVATE_KEY", 5, 5 + HELD_CHARS_MAX, True)


def test_a_key_without_its_end_is_still_one() -> None:
    text = TOKENS["PRIVATE_KEY"][:200]
    assert found(text) == [("PRIVATE_KEY", text)]
    escaped = TOKENS["PRIVATE_KEY"].replace("\n", r"\n")
    assert found(f'{{"private_key": "{escaped}"}}') == [("PRIVATE_KEY", escaped)]


def test_only_an_open_token_is_held() -> None:
    scan = ALL.open(NO_CONTEXT)
    safe = [scan.feed(piece).safe_upto for piece in ("Take sk-ant-api03-", "abc1", " or not", ". So ", "on")]
    assert safe == [5, 5, 26, 34, 34]
    prose = " ".join(text for text in HARMLESS.values())
    scan = ALL.open(NO_CONTEXT)
    held = [read - scan.feed(piece).safe_upto for read, piece in enumerate(prose, start=1)]
    assert max(held) < 40
    assert sum(held) / len(held) < 6


def test_talk_about_secrets_is_delayed_by_a_word_at_most() -> None:
    prose = (
        "The password reset link that you asked for expires soon, and the token for the account is valid for one "
        "hour, after which the API key must be renewed by the user with the key of the other account. Log in with "
        "your own name, keep the secret of the project, and curl or mysql will read the cookie and the backup. "
    )
    scan = ALL.open(NO_CONTEXT)
    read = word = 0
    for piece in prose.split(" "):
        last, word = word, read
        read += len(piece) + 1
        assert scan.feed(piece + " ").safe_upto >= last


_PIECES = [
    *(TOKENS[kind] for kind in ("AWS_ACCESS_KEY_ID", "GITHUB_TOKEN", "OPENAI_API_KEY", "MAILCHIMP_API_KEY")),
    *(
        TOKENS[kind]
        for kind in ("DISCORD_BOT_TOKEN", "SLACK_WEBHOOK", "AZURE_CLIENT_SECRET", "TELEGRAM_BOT_TOKEN")
    ),
    *(text for _, text, _ in IN_CONTEXT),
    *QUIET.values(),
    *(
        "api_key",
        "=",
        '"',
        "password",
        ": ",
        " ",
        "\n",
        "sk-",
        "eyJ",
        "-----BEGIN PRIVATE KEY-----",
        "\\n",
        "token ",
        "is ",
        "mysql ",
        "-p ",
        "curl -u a:",
        "login joe / ",
        "Cookie: sid=",
        "default = ",
        "\u200b",
    ),
    *(
        "Bearer ",
        "://",
        "@",
        "a",
        "7",
        "MIIEpAIBAAKCAQEA1234",
        "-----END PRIVATE KEY-----",
        "x" * 9,
        "é",
        "．",
    ),
    *(jwt({"alg": "none"}, {"a": 1}), PHRASE, mixed(40), "abcd1234" * 8, "AccountKey="),
]


@settings(deadline=None, max_examples=120)
@given(text=texts_of(_PIECES, most=10), sizes=sizes())
def test_any_cut_is_the_same(text: str, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(ALL, text, sizes)


@settings(deadline=None, max_examples=15)
@given(
    before=st.sampled_from(["", "Key: ", "x\u200b"]),
    sizes=st.lists(st.sampled_from([7, 64, 999]), min_size=1),
)
def test_any_cut_of_a_long_key_is_the_same(before: str, sizes: list[int]) -> None:
    text = before + ENDLESS + " and " + TOKENS["PRIVATE_KEY"]
    assert [match.cut for match in assert_any_cut_is_the_same(ALL, text, sizes)] == [True, False]


@pytest.mark.parametrize("form", FORMS, ids=[f"{at}-{form.kind}" for at, form in enumerate(FORMS)])
def test_the_loosened_pattern_hits_wherever_the_form_does(form: Form) -> None:
    strict, loose = RegexSet([form.pattern]), RegexSet([loosened(form.pattern)])
    samples = [*TOKENS.values(), *(text for _, text, _ in (*OTHER_FORMS, *IN_CONTEXT))]
    # As the bank reads them.
    texts = [latin().of(text).encode("ascii", "replace").decode() for text in samples]
    hit = [text for text in texts if list(strict.hits(text))]
    assert hit, "no sample shows this form"
    assert all(list(loose.hits(text)) for text in hit)
    # Whether it has a group is known before it is compiled.
    assert _form(form).group == min(1, compile_unchecked(form.pattern).groups)


class _Counting:
    def __init__(self, inner: Sieve) -> None:
        self.inner = inner
        self.characters = 0

    def hits(self, text: str) -> Sequence[int]:
        self.characters += len(text)
        return self.inner.hits(text)


@pytest.mark.parametrize(
    "piece",
    ["so on ", "api_key ", "sk-ant ", "aGVsbG8gd29ybGQ+ ", "pass: no ", "mysql on ", "user a with b "],
)
def test_work_is_linear_in_the_text(piece: str) -> None:
    bank = SecretsBank([SecretEntry(0, frozenset(KINDS))])
    counting = _Counting(bank._set)
    bank._set = counting  # type: ignore[assignment]
    scan = bank.open(NO_CONTEXT)
    pieces = 1000
    for _ in range(pieces):
        scan.feed(piece)
    # A name that has words behind it is read again with each of them.
    assert counting.characters <= 20 * len(piece) * pieces
