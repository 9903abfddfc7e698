"""Where credentials stand: prose, code, settings, logs, and forms that are credentials by their place alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Final
from urllib.parse import quote

from benchmarks.secrets.kinds import fill, password

Sample = tuple[str, str]
"""A text, and the credential in it."""

ANYWHERE: Final = (
    "{}",
    "Sure! The key is {}.",
    "Use {} for the staging account, please.",
    "I found this in the logs: {} (not sure whether it is still valid).",
    "| name | value |\n| --- | --- |\n| key | {} |\n",
    "- `{}`\n- nothing else\n",
    "```\nexport X={}\n```",
    'client = Client("{}")\nclient.run()',
    "client = new Client('{}');",
    '{{"a": 1, "value": "{}", "b": [1, 2]}}',
    'value: "{}"\nnext: 1\n',
    "value: {}\n",
    "X={}\nY=2\n",
    "curl -H 'X-Api-Key: {}' https://api.example.com/v1/things",
    "curl -u {}: https://api.example.com/v1/charges",
    "https://api.example.com/v1?key={}&limit=5",
    "2024-05-01T10:00:00Z ERROR auth failed key={} status=401",
    "<key>{}</key>",
    "const key = `{}`;",
    "**{}**",
    '"line one\\n{}\\nline three"',
    'provider "x" {{\n  token = "{}"\n}}',
    "os.environ['K'] = '{}'",
    "Authorization: Bearer {}\r\nAccept: */*\r\n",
)
ANYWHERE_HELD_OUT: Final = (
    "My colleague sent me {}, is that right?",
    "密钥是{}。",
    "> {}\n\nPlease rotate it.",
    "[{}]",
    "key={};region=eu",
    'System.setProperty("k", "{}");',
    'let k = "{}".to_string();',
    "  k: !!str {}\n",
    '<input type="hidden" value="{}">',
    '{{\\"k\\":\\"{}\\"}}',
    "git remote add o https://oauth2:{}@git.example.com/a/b.git",
    "1. {}\n2. Done",
    "“{}”",
    "$ echo {} | base64",
    "x-token: {}\n",
    "first,{},last\n1,2,3",
)

NAMED: Final = (
    "{N}_API_KEY={}\n",
    "{N}_TOKEN: {}\n",
    'export {N}_SECRET="{}"',
    '{{"{n}_api_key": "{}"}}',
    "{n}_token = '{}'",
    "The {n} API key is {}.",
    "Your {n} token: {}",
    "const {n}ApiKey = '{}';",
    "{n}.api_key={}",
    "curl -H '{n}-api-key: {}' https://api.example.com",
    "<{n}ApiKey>{}</{n}ApiKey>",
    "| {n} secret key | {} |",
    'variable "{n}_token" {{\n  default = "{}"\n}}',
)
NAMED_HELD_OUT: Final = (
    "{n} secret: `{}`",
    "{n}:\n  api_key: {}\n  region: eu\n",
    '{N}_AUTH_TOKEN = "{}" # rotate',
    "Here is the access token for {n}: {}",
    '"{n}": {{"token": "{}"}}',
    "set {N}_APIKEY={}",
    'new {n}Client({{ apiKey: "{}" }})',
    "X-{n}-Token: {}",
    "api key for {n} is {}",
    "--{n}-token {}",
)

SAID: Final = (
    "The password is {}",
    "password: {}\n",
    "Password: {}, user: admin",
    'password = "{}"',
    "pwd={}",
    "my pass is {} by the way",
    "DB_PASSWORD={}\n",
    '{{"user": "joe", "password": "{}"}}',
    "your new password is: {}",
    "login with joe / password {}",
    "The Wi-Fi password is `{}`.",
    "<password>{}</password>",
    "Server=db;Database=a;User Id=sa;Password={};Encrypt=true",
    "Driver={{ODBC Driver 18}};Server=x;UID=sa;PWD={};",
    "jdbc:postgresql://db/shop?user=app&password={}",
    "spring.datasource.password={}\n",
    "--password={} --verbose",
    "passphrase: {}\n",
    "MYSQL_ROOT_PASSWORD: '{}'",
)
SAID_HELD_OUT: Final = (
    "It should be working now, the admin password was set to {} yesterday.",
    "Das Passwort lautet {}",
    "Le mot de passe est {}",
    "La contraseña es {}",
    "A senha é {}",
    "пароль: {}",
    "Password is {}.",
    "user: root\npass: {}\n",
    "root_password => '{}'",
    "temporary password: **{}**",
    "credentials: admin / {}",
    "mysql -u root -p{}",
    "PGPASSWORD={} psql -h db",
    "sshpass -p '{}' ssh root@host",
)


def _key_lines(rng: Random, characters: int) -> list[str]:
    return [fill("{b64}", rng) for _ in range(characters // 64)] + [fill("{b30}", rng) + "=="]


def _key_block(rng: Random) -> str:
    kind = rng.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "DSA PRIVATE KEY",
                       "ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])  # fmt: skip
    characters = {"EC PRIVATE KEY": 160}.get(kind, rng.choice([800, 1600, 3200, 4500, 6500]))
    lines = _key_lines(rng, characters)
    if kind.startswith("PGP"):
        lines = ["", *lines, "=" + fill("{b4}", rng)]
    elif kind == "RSA PRIVATE KEY" and rng.random() < 0.2:
        lines = ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC," + fill("{H32}", rng), "", *lines]
    return "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"))


def key_block(rng: Random) -> Sample:
    """A private key as mail, code, YAML and JSON show it; the credential is every letter of it."""
    block = _key_block(rng)
    match rng.randrange(8):
        case 0:
            return f"Here it is:\n\n{block}\n\nKeep it safe.", block
        case 1:
            shown = block.replace("\n", "\\n")
            return f'{{"type": "service_account", "private_key": "{shown}\\n", "client_id": "1"}}', shown
        case 2:
            shown = block.replace("\n", "\r\n")
            return f"{shown}\r\n", shown
        case 3:
            shown = block.replace("\n", "\n    ")
            return f"tls:\n  key: |\n    {shown}\nnext: 1\n", shown
        case 4:
            shown = block.replace("\n", "\n> ")
            return f"> {shown}\n\nIs this ok?", shown
        case 5:
            return f"```pem\n{block}\n```", block
        case 6:
            shown = '" +\n  "'.join(line + "\\n" for line in block.split("\n"))
            return f'String key = "{shown}";', shown
        case _:
            shown = block.replace("\n", "\\r\\n")
            return f'"key": "{shown}"', shown


def _basic(rng: Random) -> str:
    return base64.b64encode(f"{fill('{a6}', rng)}:{password(rng)}".encode()).decode()


# fmt: off
_SCHEMES: Final = (
    "postgres", "postgresql", "mysql", "mongodb+srv", "mongodb", "redis", "rediss", "amqp", "amqps",
    "mssql+pyodbc", "smtp", "ftp", "https", "ldap", "mariadb", "clickhouse", "jdbc:mysql", "sftp",
    "postgresql+asyncpg", "nats", "kafka",
)
# fmt: on
_HOSTS: Final = ("db", "localhost", "10.0.0.5", "db.example.com", "c0.abcde.mongodb.net")


def url(rng: Random) -> Sample:
    """A connection string with a password."""
    scheme = rng.choice(_SCHEMES)
    word = quote(password(rng), safe="!*-._~$")
    user = "" if scheme.startswith("redis") else rng.choice(["app", "root", "admin", "svc_user"])
    text = f"{scheme}://{user}:{word}@{rng.choice(_HOSTS)}:{rng.randint(1024, 9999)}/x"
    return rng.choice(["{}", "DATABASE_URL={}\n", 'url = "{}"', "connect with {} and go on"]).format(
        text
    ), word


def _one(text: str, value: str) -> Sample:
    return text.replace("@@", value), value


_MNEMONIC: Final = (
    "account",
    "accuse",
    "achieve",
    "acid",
    "legal",
    "winner",
    "thank",
    "year",
    "wave",
    "sausage",
    "worth",
    "useful",
    "letter",
    "advice",
    "cage",
    "zoo",
    "wrong",
    "vote",
    "ozone",
    "drill",
    "grab",
    "fiber",
    "curtain",
)

PLACES: Final[Mapping[str, Callable[[Random], Sample]]] = {
    "private key": key_block,
    "connection string": url,
    "basic authorization": lambda rng: _one(
        rng.choice(
            ["Authorization: Basic @@", "curl -H 'Authorization: Basic @@' x", '{"authorization":"Basic @@"}']
        ),
        _basic(rng),
    ),
    "bearer": lambda rng: _one("-H 'Authorization: Bearer @@'", fill("{u40}", rng)),
    "docker auth": lambda rng: _one('{"auths": {"r.example.com": {"auth": "@@"}}}', _basic(rng)),
    "netrc": lambda rng: _one("machine api.example.com\n  login joe\n  password @@\n", password(rng)),
    "pgpass": lambda rng: _one("db.example.com:5432:shop:app:@@\n", fill("{w16}", rng)),
    "htpasswd": lambda rng: _one(
        "joe:@@\n", fill("$apr1$", rng) + fill("{w8}", rng) + "$" + fill("{w22}", rng)
    ),
    "shadow": lambda rng: _one(
        "root:@@:19000:0:99999:7:::\n", "$6$" + fill("{w16}", rng) + "$" + fill("{w86}", rng)
    ),
    "AWS file": lambda rng: _one(
        fill("[default]\naws_access_key_id = AKIA{B16}\naws_secret_access_key = @@\n", rng),
        fill("{b40}", rng),
    ),
    "AWS session": lambda rng: _one('"SessionToken": "@@"', "IQoJb3JpZ2luX2Vj" + fill("{b300-500}", rng)),
    "Azure storage": lambda rng: _one(
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=@@;EndpointSuffix=core.windows.net",
        fill("{b86}==", rng),
    ),
    "Azure service bus": lambda rng: _one(
        "Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=@@",
        fill("{b43}=", rng),
    ),
    "Azure SAS": lambda rng: _one(
        "https://a.blob.core.windows.net/c?sv=2022-11-02&sr=b&sig=@@&se=2030",
        quote(fill("{b43}=", rng), safe=""),
    ),
    "Azure app configuration": lambda rng: _one(
        "Endpoint=https://a.azconfig.io;Id=x-l0;Secret=@@", fill("{b43}=", rng)
    ),
    "npmrc": lambda rng: _one(
        "//registry.npmjs.org/:_authToken=@@\n", fill("{h8}-{h4}-4{h3}-a{h3}-{h12}", rng)
    ),
    "npmrc auth": lambda rng: _one("_auth=@@\n", _basic(rng)),
    "pypirc": lambda rng: _one(
        "[pypi]\nusername = __token__\npassword = @@\n", "pypi-AgEIcHlwaS5vcmc" + fill("{u150}", rng)
    ),
    "kubeconfig token": lambda rng: _one("users:\n- name: a\n  user:\n    token: @@\n", fill("{w40}", rng)),
    "kubeconfig key": lambda rng: _one(
        "    client-key-data: @@\n", base64.b64encode(_key_block(rng).encode()).decode()
    ),
    "kubernetes secret": lambda rng: _one(
        "apiVersion: v1\nkind: Secret\ndata:\n  username: YWRtaW4=\n  password: @@\n",
        base64.b64encode(password(rng).encode()).decode(),
    ),
    "terraform state": lambda rng: _one(
        '"attributes": {"id": "x", "master_password": "@@", "port": 5432}', password(rng)
    ),
    "hex private key": lambda rng: _one(
        rng.choice(["private key: 0x@@", "PRIVATE_KEY=@@\n", "eth private key @@"]), fill("{h64}", rng)
    ),
    "seed phrase": lambda rng: _one(
        rng.choice(["seed phrase: @@", "My recovery phrase is @@.", 'MNEMONIC="@@"']),
        " ".join(rng.choices(_MNEMONIC, k=12)),
    ),
    "extended key": lambda rng: _one("xprv: @@", "xprv" + fill("{e107}", rng)),
    "JWK": lambda rng: _one(
        '{"kty":"EC","crv":"P-256","x":"' + fill("{u43}", rng) + '","d":"@@"}', fill("{u43}", rng)
    ),
    "WireGuard": lambda rng: _one(
        "[Interface]\nPrivateKey = @@\nAddress = 10.0.0.2/32\n", fill("{b43}=", rng)
    ),
    "Django": lambda rng: _one(
        "SECRET_KEY = 'django-insecure-@@'",
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*(-_=+)", k=50)),
    ),
    "cookie": lambda rng: _one("Set-Cookie: sessionid=@@; Path=/; HttpOnly", fill("{l32}", rng)),
    "JSON settings": lambda rng: (
        lambda value: (json.dumps({"db": {"host": "x", "password": value, "port": 1}}), value)
    )(password(rng)),
}
"""What is a credential by where it stands."""
