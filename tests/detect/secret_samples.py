"""One made-up credential of every kind, put together so that no scanner takes this file for a leak."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from random import Random
from typing import Final
from zlib import crc32

from proxy.detect.secret_checks import base62

_RANDOM: Final = Random(20)
_LOWER: Final = "abcdefghijkmnpqrstuvwyz"  # without x: no placeholder by accident
_UPPER: Final = _LOWER.upper()
_DIGITS: Final = "0123456789"


def _any(alphabet: str, count: int) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(count - 3)) + "7" + alphabet[0] + "4"


def mixed(count: int) -> str:
    """Letters and digits."""
    return _any(_LOWER + _UPPER + _DIGITS, count)


def hexes(count: int) -> str:
    return _any(_DIGITS + "abcdef", count)


def small(count: int) -> str:
    return _any(_LOWER + _DIGITS, count)


def large(count: int) -> str:
    return _any(_UPPER + _DIGITS, count)


def uuid() -> str:
    return "-".join(hexes(count) for count in (8, 4, 4, 4, 12))


def checked(prefix: str, body: str) -> str:
    """With the CRC-32 that GitHub and npm put at the end."""
    return prefix + body + base62(crc32(body.encode()))


def jwt(header: object, claims: object) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (header, claims)
    )
    return ".".join((*parts, mixed(43)))


def block(kind: str, lines: int = 6) -> str:
    body = "\n".join(mixed(64) for _ in range(lines))
    return f"-----BEGIN {kind}-----\n{body}\n{mixed(30)}==\n-----END {kind}-----"


TOKENS: Final[Mapping[str, str]] = {
    "OPENSSH_PRIVATE_KEY": block("OPENSSH PRIVATE KEY"),
    "PGP_PRIVATE_KEY": block("PGP PRIVATE KEY BLOCK"),
    "PRIVATE_KEY": block("RSA PRIVATE KEY"),
    "AGE_SECRET_KEY": "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
    "AWS_ACCESS_KEY_ID": "AKIA" + large(16),
    "GITHUB_TOKEN": checked("ghp_", mixed(30)),
    "NPM_TOKEN": checked("npm_", mixed(30)),
    "ANTHROPIC_API_KEY": f"sk-ant-api03-{mixed(50)}-{mixed(40)}AA",
    "OPENROUTER_API_KEY": "sk-or-v1-" + hexes(64),
    "OPENAI_API_KEY": f"sk-proj-{mixed(60)}T3BlbkFJ{mixed(60)}",
    "HUGGING_FACE_TOKEN": "hf_" + mixed(34),
    "REPLICATE_API_TOKEN": "r8_" + mixed(37),
    "GROQ_API_KEY": "gsk_" + mixed(52),
    "XAI_API_KEY": "xai-" + mixed(80),
    "PERPLEXITY_API_KEY": "pplx-" + mixed(48),
    "NVIDIA_API_KEY": "nvapi-" + mixed(64),
    "FIREWORKS_API_KEY": "fw_" + mixed(24),
    "CEREBRAS_API_KEY": "csk-" + small(48),
    "LANGSMITH_API_KEY": f"lsv2_pt_{hexes(32)}_{hexes(10)}",
    "PINECONE_API_KEY": f"pcsk_{mixed(6)}_{mixed(63)}",
    "TAVILY_API_KEY": "tvly-dev-" + mixed(32),
    "GOOGLE_API_KEY": "AIza" + mixed(35),
    "GOOGLE_OAUTH_SECRET": "GOCSPX-" + mixed(28),
    "GOOGLE_OAUTH_TOKEN": "ya29.a0" + mixed(120),
    "AZURE_CLIENT_SECRET": f"abc8Q~{mixed(34)}",
    "DIGITALOCEAN_TOKEN": "dop_v1_" + hexes(64),
    "ALIBABA_ACCESS_KEY": "LTAI" + mixed(20),
    "TENCENT_SECRET_ID": "AKID" + mixed(32),
    "HEROKU_API_KEY": "HRKU-AA" + mixed(58),
    "FLY_IO_TOKEN": f"FlyV1 fm2_{mixed(120)}=",
    "NETLIFY_TOKEN": "nfp_" + mixed(36),
    "CLOUDFLARE_ORIGIN_CA_KEY": f"v1.0-{hexes(24)}-{hexes(146)}",
    "DATABRICKS_TOKEN": f"dapi{hexes(32)}-2",
    "HASHICORP_VAULT_TOKEN": "hvs." + mixed(90),
    "TERRAFORM_CLOUD_TOKEN": f"{mixed(14)}.atlasv1.{mixed(67)}",
    "PULUMI_TOKEN": "pul-" + hexes(40),
    "DOPPLER_TOKEN": "dp.st.dev_main." + mixed(43),
    "PLANETSCALE_TOKEN": "pscale_tkn_" + mixed(43),
    "SUPABASE_KEY": "sbp_" + hexes(40),
    "TAILSCALE_KEY": f"tskey-auth-{mixed(12)}-{mixed(32)}",
    "GITHUB_FINE_GRAINED_TOKEN": f"github_pat_{mixed(22)}_{mixed(59)}",
    "GITLAB_TOKEN": "glpat-" + mixed(20),
    "BITBUCKET_TOKEN": "ATBB" + mixed(32),
    "ATLASSIAN_TOKEN": f"ATATT3{mixed(180)}=7A1B2C3D",
    "CIRCLECI_TOKEN": f"CCIPAT_{mixed(22)}_{hexes(40)}",
    "BUILDKITE_TOKEN": "bkua_" + hexes(40),
    "SOURCEGRAPH_TOKEN": f"sgp_{hexes(16)}_{hexes(40)}",
    "SLACK_TOKEN": f"xoxb-{'2047'}58391042-{'3851'}92847563-{mixed(24)}",
    "TELEGRAM_BOT_TOKEN": f"{'7193'}820465:AA{mixed(33)}",
    "STRIPE_API_KEY": "sk_" + "live_" + mixed(24),
    "STRIPE_WEBHOOK_SECRET": "whsec_" + mixed(32),
    "SQUARE_TOKEN": "sq0atp-" + mixed(22),
    "BRAINTREE_TOKEN": f"access_token$production${small(16)}${hexes(32)}",
    "PLAID_TOKEN": f"access-sandbox-{uuid()}",
    "RAZORPAY_KEY": "rzp_live_" + mixed(14),
    "FLUTTERWAVE_KEY": f"FLWSECK_TEST-{mixed(32)}-X",
    "SHIPPO_TOKEN": "shippo_live_" + hexes(40),
    "EASYPOST_KEY": "EZAK" + mixed(54),
    "SENDGRID_API_KEY": f"SG.{mixed(22)}.{mixed(43)}",
    "MAILGUN_API_KEY": "key-" + hexes(32),
    "MAILCHIMP_API_KEY": hexes(32) + "-us14",
    "BREVO_API_KEY": f"xkeysib-{hexes(64)}-{mixed(16)}",
    "RESEND_API_KEY": f"re_{mixed(8)}_{mixed(24)}",
    "TWILIO_API_KEY": "SK" + hexes(32),
    "PYPI_TOKEN": "pypi-AgEIcHlwaS5vcmc" + mixed(150),
    "RUBYGEMS_TOKEN": "rubygems_" + hexes(48),
    "CRATES_IO_TOKEN": "cio" + mixed(32),
    "NUGET_API_KEY": "oy2" + small(43),
    "DOCKER_HUB_TOKEN": "dckr_pat_" + mixed(27),
    "CLOJARS_TOKEN": "CLOJARS_" + hexes(60),
    "ARTIFACTORY_TOKEN": "AKCp" + mixed(69),
    "NEW_RELIC_KEY": "NRAK-" + large(27),
    "SENTRY_TOKEN": "sntryu_" + hexes(64),
    "GRAFANA_TOKEN": f"glsa_{mixed(32)}_{hexes(8)}",
    "DYNATRACE_TOKEN": f"dt0c01.{large(24)}.{large(64)}",
    "LINEAR_API_KEY": "lin_api_" + mixed(40),
    "NOTION_TOKEN": "ntn_" + mixed(46),
    "AIRTABLE_TOKEN": f"pat{mixed(14)}.{hexes(64)}",
    "FIGMA_TOKEN": "figd_" + mixed(40),
    "POSTMAN_API_KEY": f"PMAK-{hexes(24)}-{hexes(34)}",
    "HUBSPOT_TOKEN": f"pat-na1-{uuid()}",
    "DROPBOX_TOKEN": "sl." + mixed(135),
    "FACEBOOK_TOKEN": "EAACE" + mixed(150),
    "CONTENTFUL_TOKEN": "CFPAT-" + mixed(43),
    "TYPEFORM_TOKEN": "tfp_" + mixed(44),
    "PREFECT_TOKEN": "pnu_" + mixed(36),
    "README_TOKEN": "rdme_" + small(70),
    "ONEPASSWORD_TOKEN": "ops_eyJ" + mixed(300),
    "LAUNCHDARKLY_KEY": f"sdk-{uuid()}",
    "SHOPIFY_TOKEN": "shpat_" + hexes(32),
    "MAPBOX_TOKEN": f"sk.eyJ{mixed(60)}.{mixed(22)}",
    "DISCORD_BOT_TOKEN": f"MTk4NjIyNDgzNDcxOTI1MjQ4.{mixed(6)}.{mixed(38)}",
    "SLACK_WEBHOOK": f"https://hooks.slack.com/services/T{large(8)}/B{large(10)}/{mixed(24)}",
    "DISCORD_WEBHOOK": f"https://discord.com/api/webhooks/{'1098'}76543210987654/{mixed(68)}",
    "TEAMS_WEBHOOK": f"https://acme.webhook.office.com/webhookb2/{uuid()}@{uuid()}/IncomingWebhook/{hexes(32)}",
    "ZAPIER_WEBHOOK": f"https://hooks.zapier.com/hooks/catch/{'1847'}203/{small(7)}",
    "JSON_WEB_TOKEN": jwt({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890", "name": "Jo"}),
}
"""Kind → a text that is all credential."""

PHRASE: Final = "V3ry.l0ng&Str"
_WORD: Final = mixed(24)
_PAIR: Final = base64.b64encode(f"deploy:{PHRASE}".encode()).decode()
_BODY: Final = "\n".join(mixed(64) for _ in range(3))

IN_CONTEXT: Final[tuple[tuple[str, str, str], ...]] = (
    ("PUTTY_PRIVATE_KEY", f"Comment: me\nPrivate-Lines: 3\n{_BODY}", f"Private-Lines: 3\n{_BODY}"),
    ("AWS_SECRET_ACCESS_KEY", f"aws_secret_access_key = {(aws := mixed(36) + 'a/+9')}\n", aws),
    ("AWS_SESSION_TOKEN", f'"SessionToken": "{(session := mixed(160))}"', session),
    ("AZURE_STORAGE_KEY", f"AccountName=a;AccountKey={(azure := mixed(86) + '==')};E=x", azure),
    ("AZURE_SAS_SIGNATURE", f"https://a.example/c?sv=2022-11-02&sig={(sas := mixed(43) + '%3D')}&se=1", sas),
    ("CONNECTION_STRING_PASSWORD", f"postgresql+psycopg://app:{PHRASE}@db:5432/x", PHRASE),
    ("CONNECTION_STRING_PASSWORD", f"redis://:{PHRASE}@cache:6379/0", PHRASE),
    ("CONNECTION_STRING_PASSWORD", f"mongodb+srv://app:{PHRASE}@c0.example.net", PHRASE),
    ("BASIC_AUTH_URL", f"git clone https://bot:{PHRASE}@git.example.com/a.git", PHRASE),
    ("BASIC_AUTHORIZATION", f"Authorization: Basic {_PAIR}", _PAIR),
    ("BEARER_TOKEN", f"curl -H 'Authorization: Bearer {_WORD}'", _WORD),
    ("SECRET_ASSIGNMENT", f'API_KEY = "{_WORD}"', _WORD),
    ("SECRET_ASSIGNMENT", f"client_secret: {_WORD}\n", _WORD),
    ("SECRET_ASSIGNMENT", f'{{"accessToken":"{_WORD}"}}', _WORD),
    ("SECRET_ASSIGNMENT", f'"{{\\"auth_token\\": \\"{_WORD}\\"}}"', _WORD),
    ("SECRET_ASSIGNMENT", f"DATADOG_API_KEY={(datadog := hexes(32))} ./run", datadog),
    ("SECRET_ASSIGNMENT", f"<apiKey>{_WORD}</apiKey>", _WORD),
    ("SECRET_ASSIGNMENT", f"secret_key => '{_WORD}',", _WORD),
    ("PASSWORD_ASSIGNMENT", f"password: {PHRASE}\n", PHRASE),
    ("PASSWORD_ASSIGNMENT", f"<password>{PHRASE}</password>", PHRASE),
    ("PASSWORD_ASSIGNMENT", f"DB_PASSWORD='{PHRASE}'", PHRASE),
    ("PASSWORD_ASSIGNMENT", f"Server=db;Uid=app;Pwd={PHRASE};", PHRASE),
)
"""Kind, a text, and the value in it."""

OTHER_FORMS: Final = tuple(
    (kind, token, token)
    for kind, token in (
        ("PRIVATE_KEY", block("EC PRIVATE KEY", 2)),
        ("PRIVATE_KEY", block("ENCRYPTED PRIVATE KEY", 2)),
        ("PRIVATE_KEY", block("PRIVATE KEY", 2)),
        ("OPENAI_API_KEY", f"sk-{mixed(20)}T3BlbkFJ{mixed(20)}"),
        ("OPENAI_API_KEY", "sk-" + mixed(32)),
        ("GOOGLE_OAUTH_TOKEN", "1//0g" + mixed(60)),
        ("FLY_IO_TOKEN", "fo1_" + mixed(43)),
        ("GITLAB_TOKEN", "GR1348941" + mixed(20)),
        ("GITLAB_TOKEN", f"glpat-{mixed(27)}.01.{small(9)}"),
        ("SLACK_TOKEN", f"xapp-1-A{large(10)}-{'6203'}847561902-{hexes(64)}"),
        ("SQUARE_TOKEN", "EAAA" + mixed(60)),
        ("SENTRY_TOKEN", "sntrys_" + mixed(120)),
        ("GRAFANA_TOKEN", f"glc_{mixed(90)}=="),
        ("NOTION_TOKEN", "secret_" + mixed(43)),
        ("HUGGING_FACE_TOKEN", "api_org_" + mixed(34)),
        ("SUPABASE_KEY", "sb_secret_" + mixed(31)),
        ("JSON_WEB_TOKEN", jwt({"alg": "dir", "enc": "A256GCM"}, {"a": 1}) + f".{mixed(30)}.{mixed(22)}"),
    )
)
"""Further ways in which kinds are written; as IN_CONTEXT."""

ENDLESS: Final = block("PRIVATE KEY", lines=90)
"""A key of more characters than any detector holds."""
