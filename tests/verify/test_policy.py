from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.registry.reference import Reference
from lading.store.errors import DocumentError, LadingError
from lading.verify.documents.statements import PROVENANCE
from lading.verify.policy.canonical import compile_policy, load_policy, policy_digest
from lading.verify.policy.policy import PolicyError, Rule
from lading.verify.policy.requirements.attestation import AttestationRequirement
from lading.verify.policy.requirements.signature import SignatureRequirement
from lading.verify.policy.scopes import components, covering, repository, why_empty
from lading.verify.policy.template import default_policy
from lading.verify.policy.yaml_reader import parse_policy
from suites.papers import key, named, pem, policy

SCHEMA = json.loads((files("lading.verify") / "policy.schema.json").read_text())
DEFAULT = "scopes: {default: {signed_by: {keys: [own]}}}\n"
DOCS = Path(__file__).resolve().parents[2] / "docs/policy.md"


def asked_signature(rule: Rule) -> SignatureRequirement:
    (requirement,) = rule.requirements
    assert isinstance(requirement, SignatureRequirement)
    return requirement


def indented(name: str, by: int) -> str:
    return "".join(" " * by + line + "\n" for line in pem(name).splitlines())


def fits_schema(text: str) -> bool:
    try:
        jsonschema.validate(yaml.safe_load(text), SCHEMA)
    except (jsonschema.ValidationError, yaml.YAMLError):
        return False
    return True


def test_the_default_policy_trusts_one_key_for_everything() -> None:
    text = default_policy(pem("own"))
    assert max(map(len, text.splitlines())) < 80
    made = parse_policy(text, "policy.yaml")
    assert fits_schema(text)
    rule = made.rule_for("docker.io/library/app:latest")
    assert rule and [item.key for item in asked_signature(rule).keys] == [key("own").public]
    base = made.base_rule_for("docker.io/library/debian:13")
    assert base and base.allow_unverified and asked_signature(base)
    assert not made.forbid_unverified


def test_everything_that_can_be_said() -> None:
    text = f"""
unsafe_unverified: forbid
scopes:
  example.com/team/app:
    signed_by:
      keys:
        - own
        - |
{indented("inline", 10)}
        - {{file: keys/ci.pub}}
      threshold: 2
      annotations: {{env: prod}}
    require:
      - type: slsaprovenance1
        builder: urn:lading:builder:local
        by: [ci]
      - type: https://example.com/review
    signed_for: [example.com/team/app, mirror.example.com/app]
  example.com/old: {{reject: true}}
  localhost:5000:
    require: [{{type: slsaprovenance1, by: [ci]}}]
    signed_for: itself
from:
  docker.io/library:
    allow_unverified: true
  default: {{reject: true}}
cache:
  signed_by: {{keys: [own]}}
"""
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return pem("file").encode()

    head = f"version: 1\nkeys:\n  own: |\n{indented('own', 4)}  ci: {{file: ci.pub}}\n"
    made = parse_policy(head.replace("{file: ci.pub}", f"|\n{indented('ci', 4)}") + text, "p", read)
    assert fits_schema(head + text)
    assert asked == ["keys/ci.pub"]
    rule = made.rule_for("example.com/team/app:1")
    assert rule
    signed_by, first, second = rule.requirements
    assert isinstance(signed_by, SignatureRequirement)
    assert isinstance(first, AttestationRequirement)
    assert [item.name for item in signed_by.keys] == ["own", key("inline").public.fingerprint[:16], "keys/ci.pub"]
    assert signed_by.threshold == 2
    assert signed_by.annotations == {"env": "prod"}
    assert (first.predicate_type, first.builder, first.keys) == (PROVENANCE, "urn:lading:builder:local", (named("ci"),))
    assert second.keys == signed_by.keys
    assert rule.signed_for == ("example.com/team/app", "mirror.example.com/app")
    old = made.rule_for("example.com/old/thing:1")
    assert old and old.reject
    local = made.rule_for("localhost:5000/x:1")
    assert local and local.signed_for == () and len(local.requirements) == 1
    assert made.rule_for("example.org/x:1") is None
    assert made.rule_for(None) is None
    base = made.base_rule_for("docker.io/library/debian:13")
    assert base and base.allow_unverified
    rejected = made.base_rule_for("example.com/x:1")
    assert rejected and rejected.reject
    assert made.forbid_unverified
    assert made.cache == (named("own"),)
    again = load_policy(compile_policy(made), "p")
    assert again == made
    assert (again.scopes, again.bases, policy_digest(again)) == (made.scopes, made.bases, policy_digest(made))


REFUSED = [
    ("", "is empty"),
    ("{}", "'version' is missing"),
    ("version: 2\n" + DEFAULT, "version 2 is not known"),
    ("version: '1'\n" + DEFAULT, "expected a number"),
    ("version: 0x1\n" + DEFAULT, "not a plain decimal number"),
    ("version: 1\n" + DEFAULT + "scopes: {}\n", "'scopes' is there twice"),
    ("version: 1\nscopez: {}\n", "unknown member 'scopez'"),
    ("version: 1\nscopes: {}\n", "names no scope"),
    ("version: 1\nscopes: []\n", "expected a section, found a list"),
    ("version: 1\nscopes:\n", "expected a section, found nothing"),
    ("version: 1\nscopes: {default: }\n", "expected a section, found nothing"),
    ("version: 1\nscopes: {default: {}}\n", "asks for nothing"),
    ("version: 1\nscopes: {default: {reject: false}}\n", "asks for nothing"),
    ("version: 1\nscopes: {default: {reject: yes}}\n", "write true or false"),
    ("version: 1\nscopes: {default: {reject: 'true'}}\n", "expected true or false"),
    ("version: 1\nscopes: {default: {allow_unverified: true}}\n", "unknown member 'allow_unverified'"),
    ("version: 1\nscopes: {app: {reject: true}}\n", "'app' is not a registry"),
    ("version: 1\nscopes: {library/app: {reject: true}}\n", "'library' is not a registry"),
    ("version: 1\nscopes: {'example.com/*': {reject: true}}\n", "no wildcards"),
    ("version: 1\nscopes: {'*': {reject: true}}\n", "no wildcards"),
    ("version: 1\nscopes: {'example.com//x': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'example.com/': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {example.com/Team: {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {example.com/-x: {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'example.com/x:1:2': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'example.com/x:1/y': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'example.com/x:.1': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'example.com/x@sha256:12': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'example.com:/x': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'example..com/x': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'[::1/x': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {'docker.io/team//': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {docker.io/redis: {reject: true}}\n", "no reference begins with"),
    ("version: 1\nscopes: {'docker.io/redis:7': {reject: true}}\n", "no reference begins with"),
    ("version: 1\nscopes: {index.docker.io/redis: {reject: true}}\n", "no reference begins with"),
    ("version: 1\nscopes: {example.com: {reject: true}, 'example.com.:0443': {reject: true}}\n", "written differently"),
    ("version: 1\nscopes: {'https://example.com': {reject: true}}\n", "not a reference"),
    ("version: 1\nscopes: {example.com: {reject: true}, EXAMPLE.com: {reject: true}}\n", "twice, written differently"),
    ("version: 1\nscopes: {example.com: {reject: true}, 'example.com:443': {reject: true}}\n", "written differently"),
    ("version: 1\nscopes: {1: {reject: true}}\n", "expected a text"),
    ("version: 1\nscopes: {default: {signed_by: {keys: []}}}\n", "names no key"),
    ("version: 1\nscopes: {default: {signed_by: {}}}\n", "'keys' is missing"),
    ("version: 1\nscopes: {default: {signed_by: {keys: [own]}}}\n", "no key is named 'own'"),
    ("version: 1\nscopes: {default: {signed_by: {keys: [{file: x}]}}}\n", "key files cannot be read here"),
    ("version: 1\nscopes: {default: {signed_by: {keys: ['-----BEGIN x']}}}\n", "not one PEM block"),
    ("version: 1\nkeys: {own: nonsense}\n" + DEFAULT, "not one PEM block"),
    ("version: 1\nkeys: {'o w n': nonsense}\n" + DEFAULT, "letters, digits"),
    ("version: 1\nkeys: {own: {path: x}}\n" + DEFAULT, "unknown member 'path'"),
    ("version: 1\nunsafe_unverified: allow\n", "the only value is 'forbid'"),
    ("version: 1\nfrom: {default: {}}\n", "asks for nothing"),
    ("version: 1\nfrom: {default: {reject: true, allow_unverified: true}}\n", "reject stands alone"),
    ("version: 1\ncache: {}\n", "'signed_by' is missing"),
    ("version: 1\n---\nversion: 1\n", "not valid YAML"),
    ("version: !!python/object/apply:os.system [x]\n", "expected a number"),
    ("version: !!int '1'\nscopes: !x {}\n", "expected a section"),
    ("version: 1\n<<: {scopes: {}}\n", "expected a text"),
    ("version: 1\nx: [\n", "not valid YAML"),
    ("version: 1\n\tx: 1\n", "not valid YAML"),
    ("version: 1\nx: \x00\n", "not valid YAML"),
    ("x: " + "[" * 40, "nested more than 32"),
    ("- 1\n", "expected a section, found a list"),
    ("# only words\n", "is empty"),
    ("version: 1\nscopes: &a {default: *a}\n", "nested|more than|asks|unknown|is there|expected|values"),
]


def test_a_tab_that_sets_in_is_named() -> None:
    with pytest.raises(PolicyError, match=r":3: not valid YAML") as caught:
        parse_policy("version: 1\nscopes:\n\tdefault: {}\n", "policy.yaml")
    assert "tabs" in (caught.value.hint or "")
    with pytest.raises(PolicyError) as caught:
        parse_policy("version: 1\nx: [ # a\tb\n", "policy.yaml")
    assert caught.value.hint is None


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_policy_that_could_be_misread_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words) as caught:
        parse_policy(text, "policy.yaml")
    assert caught.value.message.startswith("policy.yaml")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("signed_by: {keys: [own], threshold: 0}", "a threshold of 0"),
        ("signed_by: {keys: [own], threshold: -1}", "a threshold of -1"),
        ("signed_by: {keys: [own], threshold: 2}", "cannot be met by 1 keys"),
        ("signed_by: {keys: [own, own]}", "are one key"),
        ("signed_by: {keys: [own, again], threshold: 2}", "'own' and 'again' are one key"),
        ("signed_by: {keys: [own], threshhold: 1}", "unknown member 'threshhold'"),
        ("require: [{type: slsaprovenance1}]", "nobody could sign it"),
        ("require: [{type: provenance, by: [own]}]", "not a predicate type"),
        ("require: [{by: [own]}]", "'type' is missing"),
        ("require: [{type: vuln, by: [own], builder: x}]", "for provenance only"),
        ("require: [{type: vuln, by: [own], isolation: [oci]}]", "isolation has a meaning for provenance"),
        ("require: [{type: slsaprovenance1, by: [own], isolation: [vm]}]", "'vm' is none of oci"),
        ("{reject: true, signed_by: {keys: [own]}}", "reject stands alone"),
        ("{signed_by: {keys: [own]}, signed_for: self}", "write `itself`"),
        ("{signed_by: {keys: [own]}, signed_for: []}", "names no repository"),
        ("{signed_by: {keys: [own]}, signed_for: [app]}", "is not a registry"),
        ("{signed_by: {keys: [own], annotations: {a: 1}}}", "expected a text"),
    ],
)
def test_contradictions_are_refused(text: str, words: str) -> None:
    again = f"version: 1\nkeys:\n  own: |\n{indented('own', 4)}  again: |\n{indented('own', 4)}"
    with pytest.raises(PolicyError, match=words) as caught:
        parse_policy(f"{again}scopes:\n  default:\n    {text}\n", "policy.yaml")
    assert f"policy.yaml:{again.count(chr(10)) + 3}:" in caught.value.message


def test_a_misspelt_member_gets_a_suggestion() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy("version: 1\nscope: {}\n", "p")
    assert caught.value.hint == "did you mean 'scopes'?"


def test_attack_48_size_is_bounded_where_aliases_multiply() -> None:
    asked = ", ".join(["{type: vuln, by: [own]}"] * 200)
    scopes = "".join(f"  e{at}.example.com: *rule\n" for at in range(60))
    with pytest.raises(PolicyError, match="more than 20000 values"):
        policy(f"scopes:\n  default: &rule {{require: [{asked}]}}\n{scopes}", "own")
    with pytest.raises(PolicyError, match="more than 20000 values"):
        parse_policy("version: 1\nkeys: {" + ", ".join(f"k{n}: v" for n in range(30_000)) + "}\n", "p")
    with pytest.raises(PolicyError, match="characters"):
        parse_policy("#" * 2_000_000, "p")


def test_a_self_referring_alias_ends() -> None:
    with pytest.raises(PolicyError):
        parse_policy("version: 1\nscopes:\n  default:\n    require: &a [*a]\n", "p")


def test_an_alias_is_followed() -> None:
    made = policy("scopes:\n  example.com: &rule {signed_by: {keys: [own]}}\n  default: *rule\n", "own")
    assert made.rule_for("example.org/x:1") is not None


def test_a_key_file_that_cannot_be_read_names_the_line() -> None:
    def read(path: str) -> bytes:
        raise FileNotFoundError(path)

    with pytest.raises(PolicyError, match=r"policy\.yaml:3: keys\.own: ci\.pub: cannot be read"):
        parse_policy("version: 1\nkeys:\n  own: {file: ci.pub}\n", "policy.yaml", read)


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"more": 1}, {"scopes": []}, {"scopes": {"default": {"more": 1}}}, {"cache": [{"name": "x"}]}],
)
def test_a_compiled_policy_is_read_strictly(change: dict[str, Any]) -> None:
    value = json.loads(compile_policy(policy(DEFAULT, "own")))
    load_policy(json.dumps(value).encode(), "p")
    with pytest.raises(DocumentError):
        load_policy(json.dumps(value | change).encode(), "p")
    value["scopes"]["default"]["signedBy"]["threshold"] = 2
    with pytest.raises(DocumentError, match="threshold of 2"):
        load_policy(json.dumps(value).encode(), "p")


def test_a_policy_that_leaves_sections_out_compiles() -> None:
    made = parse_policy("version: 1\n", "p")
    assert load_policy(compile_policy(made), "p") == made
    assert made.scopes is None and made.bases is None and made.cache is None


def test_the_digest_is_of_what_it_says() -> None:
    first = policy(DEFAULT, "own")
    assert policy_digest(
        policy("# words\nscopes:\n  default:\n    signed_by:\n      keys:\n        - own\n", "own")
    ) == policy_digest(first)
    assert policy_digest(policy(DEFAULT.replace("]", "], threshold: 1"), "own")) == policy_digest(first)
    assert policy_digest(policy(DEFAULT.replace("default", "example.com"), "own")) != policy_digest(first)
    assert policy_digest(policy(DEFAULT + "unsafe_unverified: forbid\n", "own")) != policy_digest(first)
    other = f"version: 1\nkeys:\n  own: |\n{indented('other', 4)}{DEFAULT}"
    assert policy_digest(parse_policy(other, "p")) != policy_digest(first)


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("docker.io/library/app:latest", "docker.io/library/app"),
        ("docker.io/library/app:1", "docker.io/library/app:1"),
        ("docker.io/library/app:1@sha256:" + "0" * 64, "docker.io/library/app:1"),
        ("docker.io/library/apple:1", "docker.io"),
        ("docker.io/library/app/web:1", "docker.io/library/app"),
        ("index.docker.io/library/app:2", "docker.io/library/app"),
        ("example.com/app:1", "default"),
        ("localhost:5000/app:1", "localhost:5000"),
        ("localhost:5001/app:1", "default"),
        ("localhost/app:1", "default"),
        ("EXAMPLE.ORG/a:1", "example.org"),
        ("example.org:443/a:1", "example.org"),
        ("example.org:444/a:1", "default"),
        ("example.org.evil.example/a:1", "default"),
        ("example.org:0443/a:1", "example.org"),
        ("localhost:05000/app:1", "localhost:5000"),
        ("[0:0::1]:5000/app:1", "[::1]:5000"),
        ("docker.io/team/app:1", "docker.io/team/"),
        ("docker.io/teams/app:1", "docker.io"),
        (None, "default"),
    ],
)
def test_the_most_specific_scope_covers(reference: str | None, wanted: str) -> None:
    scopes = [
        "default",
        "docker.io",
        "docker.io/library/app",
        "docker.io/library/app:1",
        "docker.io/team/",
        "localhost:5000",
        "[::1]:5000",
        "example.org",
    ]
    assert covering(scopes, reference) == wanted
    assert covering(reversed(scopes), reference) == wanted


@given(st.from_regex(r"[a-zA-Z0-9.:/@\[\]_-]{1,40}", fullmatch=True))
@settings(max_examples=500)
def test_a_scope_that_is_taken_covers_some_reference(scope: str) -> None:
    if why_empty(scope) is None:
        parts = components(scope)
        tail = "" if any(part.startswith((":", "@")) for part in parts) else "x/y"[: 3 if len(parts) == 1 else 1]
        dotless = re.sub(r"^([^/:]+)\.(?=[:/]|$)", r"\1", scope)  # scopes may have the dot, references have none
        whole = dotless.removesuffix("/") + ("/" + tail if tail else "")
        assert covering([scope], Reference.parse(whole).name) == scope


def test_what_was_meant_below_docker_hub_is_said() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy("version: 1\nscopes: {docker.io/redis: {reject: true}}\n", "p")
    assert caught.value.hint is not None
    assert "'docker.io/library/redis'" in caught.value.hint and "'docker.io/redis/'" in caught.value.hint


def test_without_a_default_an_uncovered_reference_has_no_scope() -> None:
    assert covering(["example.com"], "example.org/a:1") is None
    assert covering(["example.com"], None) is None
    assert covering([], "example.org/a:1") is None


def test_repositories() -> None:
    assert repository("localhost:5000/team/app:1@sha256:00") == "localhost:5000/team/app"
    assert repository("docker.io/library/app") == "docker.io/library/app"


@given(st.text(max_size=30))
def test_any_text_has_components(text: str) -> None:
    assert components(text)
    repository(text)


def test_examples_of_the_documentation_are_policies() -> None:
    blocks = DOCS.read_text().split("```yaml\n")[1:]
    assert len(blocks) >= 4
    for block in blocks:
        text = block.split("```")[0].replace(
            "MFkw...", pem("own").splitlines()[1] + "\n    " + pem("own").splitlines()[2]
        )
        assert fits_schema(text), text
        parse_policy(text, "docs/policy.md", lambda path: pem(path).encode())


def test_the_schema_refuses_what_the_reader_refuses_by_form() -> None:
    for text, words in REFUSED:
        if "{1:" in text:
            continue  # JSON knows no names that are not text
        if any(
            word in words
            for word in ("unknown member", "expected", "is missing", "names no", "only value", "version 2")
        ):
            assert not fits_schema(text), text


leaf = st.one_of(
    st.booleans(), st.integers(-2, 3), st.text(max_size=4), st.none(), st.sampled_from(["own", "itself", "forbid"])
)
member = st.sampled_from(
    [
        "version",
        "keys",
        "scopes",
        "from",
        "default",
        "signed_by",
        "require",
        "threshold",
        "type",
        "by",
        "reject",
        "x",
        "file",
    ]
)
value = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(member, inner, max_size=4), max_leaves=20
)


@given(value)
@settings(max_examples=150)
def test_any_document_is_a_policy_or_an_error(document: Any) -> None:
    text = yaml.safe_dump(document)
    try:
        parse_policy(text, "p")
    except LadingError:
        return
    assert fits_schema(text)


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    with pytest.raises(LadingError):
        parse_policy(text, "p")
