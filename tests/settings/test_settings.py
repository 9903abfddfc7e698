"""proxy.yaml: what the contract shows is read, what it does not know is refused with its place."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.settings import Address, Settings, demo_settings, load, parse_address
from tests.fakes.mmdb import mmdb

CONTRACT = """\
listen: 127.0.0.1:8080
data_dir: data
rules_dir: rules
admin:
  listen: 127.0.0.1:8081
  tokens:
    - {name: oncall, role: operator, token_env: ONCALL_TOKEN}
backends:
  main: {url: "https://api.example.com", api: openai, timeout_s: 120}
default_backend: main
models:
  support-bot:
    versions:
      v2: {backend: main, model: gpt-test-2}
      v1: {backend: main, model: gpt-test-1}
    serve: v2
unlisted_models: pass
clients:
  - {name: shop, app: shop, key_env: SHOP_KEY}
tls: {cert_file: cert.pem, key_file: key.pem}
identify:
  user_header: X-User-Id
  app_header: x-app
  region_header: cf-ipcountry
  trusted_proxies: [127.0.0.1/32]
unknown_paths: deny
log:
  durability: before_release
  on_failure: block
  request_logprobs: false
scoring: {workers: 1, toxicity: {engine: auto}}
"""
ENV = {"ONCALL_TOKEN": "s3cret-of-oncall", "SHOP_KEY": "s3cret-of-shop"}
LEAST = 'backends: {main: {url: "http://127.0.0.1:9", api: openai}}\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "proxy.yaml"
    path.write_text(text)
    for name in ("cert.pem", "key.pem"):
        (folder / name).write_text("x")
    return path


def problems(folder: Path, text: str, env: dict[str, str] | None = None) -> list[str]:
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path, ENV if env is None else env)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_the_contracts_example_is_read_whole(tmp_path: Path) -> None:
    settings = load(write(tmp_path, CONTRACT), ENV)
    assert settings.listen == Address("127.0.0.1", 8080)
    assert settings.data_dir == tmp_path / "data"
    assert settings.rules_dir == tmp_path / "rules"
    assert settings.admin.listen.port == 8081
    assert settings.admin.tokens[0].role == "operator"
    assert settings.admin.tokens[0].token.get_secret_value() == "s3cret-of-oncall"
    assert settings.backends["main"].url == "https://api.example.com"
    assert settings.backends["main"].key is None
    assert settings.models["support-bot"].serve == "v2"
    assert settings.models["support-bot"].versions["v1"].model == "gpt-test-1"
    assert settings.clients[0].key.get_secret_value() == "s3cret-of-shop"
    assert settings.tls is not None
    assert settings.tls.cert_file == tmp_path / "cert.pem"
    assert settings.identify.user_header == "x-user-id"
    assert settings.identify.trusted_proxies == (ip_network("127.0.0.1/32"),)
    assert settings.scoring.toxicity.engine == "auto"


def test_a_version_at_a_backend_of_the_other_api_cannot_stand_in(tmp_path: Path) -> None:
    backends = 'backends:\n  claude: {url: "https://api.example.org", api: anthropic}'
    text = CONTRACT.replace("backends:", backends).replace("v1: {backend: main", "v1: {backend: claude")
    assert load(write(tmp_path, text), ENV).models["support-bot"].fallback == ()
    (problem,) = problems(tmp_path, text.replace("serve: v2", "serve: v2\n    fallback: [v1]"))
    assert problem == (
        "18:16: `v1` is at a backend of the anthropic API, and cannot answer what `v2` is asked, openai"
    )


def test_which_backends_are_no_model(tmp_path: Path) -> None:
    backends = """backends:
  claude: {url: "https://api.example.org", api: anthropic}
  calm: {url: "https://calm.example.com", api: openai}
  calm-claude: {url: "https://calm.example.com", api: anthropic}
  twin: {url: "https://api.example.com", api: openai}
  other: {url: "https://other.example.com", api: openai}"""
    text = CONTRACT.replace("backends:", backends).replace("v1: {backend: main", "v1: {backend: other")
    assert load(write(tmp_path, text), ENV).stand_ins == {
        "claude": "calls of the anthropic API go there that name no listed model",
        "calm": None,
        "calm-claude": None,
        "twin": "it has the address of `main`",
        "other": "it serves `support-bot`",
        "main": "it serves `support-bot`",
    }


def test_the_least_that_is_needed_is_one_backend(tmp_path: Path) -> None:
    settings = load(write(tmp_path, LEAST), {})
    assert settings.default_backend == "main"
    assert settings.listen.loopback
    assert settings.limits.max_body_bytes == 64 * 1024 * 1024


def test_no_secret_is_ever_printed(tmp_path: Path) -> None:
    settings = load(write(tmp_path, CONTRACT), ENV)
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)


def test_a_problem_with_a_secret_does_not_repeat_it(tmp_path: Path) -> None:
    found = problems(tmp_path, CONTRACT, {"ONCALL_TOKEN": "s3cret with blanks", "SHOP_KEY": "s3cret\n"})
    assert len(found) == 2
    assert "s3cret" not in " ".join(found)


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "shop.key").write_text("from-a-file\n")
    settings = load(write(tmp_path, CONTRACT.replace("key_env: SHOP_KEY", "key_file: shop.key")), ENV)
    assert settings.clients[0].key.get_secret_value() == "from-a-file"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "listen: 127.0.0.1:8080",
            "listem: 127.0.0.1:8080",
            "1:1: unknown key `listem`; did you mean `listen`?",
        ),
        ("timeout_s: 120", "timout_s: 120", "9:55: unknown key `timout_s`; did you mean `timeout_s`?"),
        ("timeout_s: 120", 'timeout_s: "120"', '9:66: must be a valid number, not "120"'),
        ("timeout_s: 120", "timeout_s: 0", "9:66: must be greater than 0, not 0"),
        ("api: openai", "api: opnai", "9:47: must be one of openai, anthropic; did you mean `openai`?"),
        (
            "default_backend: main",
            "default_backend: mian",
            "10:18: there is no backend `mian`; did you mean `main`?",
        ),
        (
            "v1: {backend: main",
            "v1: {backend: mien",
            "15:21: there is no backend `mien`; did you mean `main`?",
        ),
        ("serve: v2", "serve: v3", "16:12: there is no version `v3`"),
        (
            "serve: v2",
            "serve: v2\n    fallback: [v11]",
            "17:16: there is no version `v11`; did you mean `v1`?",
        ),
        (
            "serve: v2",
            "serve: v2\n    fallbck: [v1]",
            "17:5: unknown key `fallbck`; did you mean `fallback`?",
        ),
        ("serve: v2", "serve: v2\n    fallback: [v1, v2]", "17:20: `v2` is what is served already"),
        ("serve: v2", "serve: v2\n    fallback: [v1, v1]", "17:20: the version `v1` stands twice"),
        ("request_logprobs: false", "request_logprobs: 0", "30:21: must be true or false, not 0"),
        ("role: operator", "role: boss", "7:28: must be one of viewer, operator, admin"),
        ("127.0.0.1/32", "127.0.0.1/99", None),
        (
            "127.0.0.1:8081",
            "127.0.0.1:8080",
            "5:11: the admin API never shares the clients' port: give it its own",
        ),
        (
            "https://api",
            "ftp://api",
            "9:15: must be an http or https URL with a host, as https://api.example.com",
        ),
        ("https://api", "https://u:p@api", "9:15: holds a credential: use key_env or key_file"),
        ("example.com", "example.com/?k=1", "9:15: must end with the path: no query and no fragment"),
        ("engine: auto", "engine: detoxify", None),
        ("workers: 1", "workers: 0", None),
        ("engine: auto", "engine: lexical, checkpoint: x", None),
        ("key_env: SHOP_KEY", "key_env: NOPE", "19:38: the environment variable `NOPE` is not set"),
        (", key_env: SHOP_KEY", "", "19:5: the key `key_env` (or `key_file`) is missing"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    tmp_path: Path, old: str, new: str, problem: str | None
) -> None:
    assert CONTRACT.count(old) == 1
    found = problems(tmp_path, CONTRACT.replace(old, new))
    if problem is not None:
        assert found == [problem]
    else:
        assert found


def test_what_this_version_does_not_honour_is_refused_not_ignored(tmp_path: Path) -> None:
    found = problems(tmp_path, CONTRACT.replace("request_logprobs: false", "request_logprobs: true"))
    assert found == ["30:21: `request_logprobs` is not available in this version yet"]


def test_a_database_of_regions_is_opened_to_see_that_it_is_one(tmp_path: Path) -> None:
    text = CONTRACT.replace("region_header: cf-ipcountry", "geoip_db: geo.mmdb")
    (found,) = problems(tmp_path, text)
    assert found.startswith("24:13: there is no file `")
    (tmp_path / "geo.mmdb").write_bytes(b"not one")
    (found,) = problems(tmp_path, text)
    assert found.startswith("24:13: no MMDB database can be read from `")
    (tmp_path / "geo.mmdb").write_bytes(mmdb({"10.0.0.0/8": {"country": {"iso_code": "DE"}}}))
    assert load(write(tmp_path, text), ENV).identify.geoip_db == tmp_path / "geo.mmdb"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "listem: x\nbackends: {a: {url: 3, api: x}}\nlog: {durabilty: async}\n")
    assert [item.split(":")[0] for item in found] == ["1", "2", "2", "3"]


def test_an_open_door_must_be_meant(tmp_path: Path) -> None:
    wide = "listen: 0.0.0.0:8080\n" + LEAST
    assert problems(tmp_path, wide) == [
        "1:9: any caller could use this address: name `clients`, listen on loopback, or say `open: true`"
    ]
    assert load(write(tmp_path, wide + "open: true\n"), {}).open
    assert load(write(tmp_path, wide + "clients: [{name: a, key_env: SHOP_KEY}]\n"), ENV).clients


def test_two_clients_never_share_a_name_or_a_key(tmp_path: Path) -> None:
    twins = LEAST + "clients: [{name: a, key_env: SHOP_KEY}, {name: a, key_env: SHOP_KEY}]\n"
    assert problems(tmp_path, twins) == [
        "2:41: has the same secret as `a`: nobody could tell them apart",
        "2:48: the name `a` stands twice",
    ]


def test_several_backends_need_a_default(tmp_path: Path) -> None:
    two = 'backends:\n  a: {url: "http://x", api: openai}\n  b: {url: "http://y", api: anthropic}\n'
    assert problems(tmp_path, two) == ["1:1: `default_backend` is missing: say which of the backends it is"]


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080), True),
        ("[::1]:8080", Address("::1", 8080), True),
        ("localhost:0", Address("localhost", 0), True),
        ("0.0.0.0:80", Address("0.0.0.0", 80), False),
        ("[::]:80", Address("::", 80), False),
        ("proxy.internal:80", Address("proxy.internal", 80), False),
    ],
)
def test_addresses(text: str, address: Address, loopback: bool) -> None:
    assert parse_address(text) == address
    assert address.loopback is loopback
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "a:", "a:70000", "a:-1", "::1:80", "a b:80", "[]:80", "h:８"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        parse_address(text)


def test_a_missing_file_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml", {})


def test_the_demo_speaks_both_wires_on_loopback() -> None:
    address = Address("127.0.0.1", 0)
    settings: Settings = demo_settings(address, address, Path("d"), Path("r"), "http://127.0.0.1:9/")
    assert {name: backend.api for name, backend in settings.backends.items()} == {
        "demo": "openai",
        "demo-anthropic": "anthropic",
    }
    assert settings.data_dir.is_absolute()
    assert settings.backends["demo"].url == "http://127.0.0.1:9"


def test_a_model_that_is_named_and_not_there_is_a_problem_where_it_is_named(tmp_path: Path) -> None:
    def found(words: str) -> str:
        (problem,) = problems(tmp_path, CONTRACT.replace("engine: auto", words))
        return problem

    assert found("engine: detoxify").startswith("31:42: there is no exported model in `")
    assert found("checkpoint: gone.ckpt").startswith("31:46: `")
    assert "neither a checkpoint file nor an exported model's folder" in found("checkpoint: gone.ckpt")
    (tmp_path / "there.ckpt").write_bytes(b"")
    assert "reads no checkpoint" in found("engine: lexical, checkpoint: there.ckpt")


def test_an_admin_token_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, CONTRACT, {**ENV, "ONCALL_TOKEN": "fifteen-letters"})
    assert len(found) == 1
    assert "the token is shorter than 16 characters" in found[0]
    assert "fifteen-letters" not in found[0]
