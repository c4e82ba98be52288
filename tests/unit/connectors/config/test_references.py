"""References in configurations: what they give, what they may not read, and that what they gave is never shown."""

import contextlib
import io
import logging
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.config.definition import ConfigDef, Key, Referenced, Type, at_least
from connectors.config.properties import parse_properties
from connectors.config.providers import ConfigProviders, Redaction, providers_of
from connectors.connector import WorkerConfig
from connectors.errors import ConfigError
from connectors.pubsub.source import PubSubSource
from connectors.runtime.worker import Worker
from schemas.process.log_lines import FieldFormatter
from tests.support.sources import ROOT

PACKAGE = "org.apache.kafka.common.config.provider."
ENVIRONMENT = {"SALESFORCE_SECRET": "from-env", "AWS_KEY": "other"}


@pytest.fixture
def folder(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "sf.properties").write_text("secret=s3cr=et\nid = id-1\n")
    (secrets / "token").write_text("t0ken\n")
    (tmp_path / "outside").write_text("nobody=may")
    (secrets / "link").symlink_to(tmp_path / "outside")
    (secrets / "..data").mkdir()
    (secrets / "..data" / "mounted").write_text("as Kubernetes does")
    (secrets / "mounted").symlink_to(secrets / "..data" / "mounted")
    return secrets


@pytest.fixture
def providers(folder):
    return providers_of(
        {
            "config.providers": "file, env,dir",
            "config.providers.file.class": PACKAGE + "FileConfigProvider",
            "config.providers.file.param.allowed.paths": f"/nowhere,{folder}",
            "config.providers.dir.param.allowed.paths": str(folder),
            "config.providers.env.class": PACKAGE + "EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": "SALESFORCE_.*",
        },
        ENVIRONMENT,
    )


def resolved(providers, text):
    return providers.resolved({"k": text}, "connector x")["k"]


def test_a_reference_gives_what_stands_there(providers, folder):
    assert resolved(providers, f"${{file:{folder}/sf.properties:secret}}") == "s3cr=et"
    assert resolved(providers, f"${{dir:{folder}:token}}") == "t0ken\n"
    assert resolved(providers, f"${{dir:{folder}:mounted}}") == "as Kubernetes does"
    assert resolved(providers, "${env:SALESFORCE_SECRET}") == "from-env"
    assert resolved(providers, f"a-${{env:SALESFORCE_SECRET}}-${{file:{folder}/sf.properties:id}}") == "a-from-env-id-1"
    assert resolved(providers, "byoc.raw.${topic}") == "byoc.raw.${topic}"
    assert resolved(providers, "plain $ {x:y}") == "plain $ {x:y}"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        pytest.param("${file:FOLDER/../outside:nobody}", "allowed.paths", id="outside"),
        pytest.param("${file:FOLDER/link:nobody}", "allowed.paths", id="a link that leads outside"),
        pytest.param("${file:FOLDER-more/x:nobody}", "allowed.paths", id="a folder whose name begins alike"),
        pytest.param("${dir:FOLDER:../outside}", "no name of a file", id="a name with a path"),
        pytest.param("${dir:FOLDER:link}", "allowed.paths", id="a link from a folder"),
        pytest.param("${env:AWS_KEY}", "allowlist.pattern", id="a variable that does not match"),
        pytest.param("${env:SALESFORCE_OTHER}", "there is no variable", id="no such variable"),
        pytest.param("${file:FOLDER/sf.properties:nope}", "has no key nope", id="no such key"),
        pytest.param("${file:FOLDER/none:nope}", "cannot be read", id="no such file"),
        pytest.param("${vault:secret/data:x}", "there is no provider vault", id="no such provider"),
    ],
)
def test_what_a_reference_may_not_read_or_does_not_find_is_named_with_its_key(providers, folder, reference, reason):
    text = reference.replace("FOLDER", str(folder))
    with pytest.raises(ConfigError) as caught:
        providers.resolved({"good": "1", "salesforce.client.secret": text}, "connector x")
    assert "salesforce.client.secret" in str(caught.value)
    assert reason in str(caught.value)
    assert "may" not in str(caught.value).split(reason)[1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"config.providers.file.param.allowed.paths": None}, "file.param.allowed.paths", id="no folders"),
        pytest.param({"config.providers.file.param.allowed.paths": "run"}, "no absolute path", id="relative folder"),
        pytest.param({"config.providers": "env"}, "env.param.allowlist.pattern", id="no pattern"),
        pytest.param(
            {"config.providers": "env", "config.providers.env.param.allowlist.pattern": "("},
            "env.param.allowlist.pattern",
            id="no regular expression",
        ),
        pytest.param({"config.providers": "vault"}, "vault.class", id="no class"),
        pytest.param({"config.providers.file.class": "x.Y"}, "file.class", id="unknown class"),
    ],
)
def test_a_provider_without_an_allow_list_or_a_known_class_is_refused(change, named):
    properties = {"config.providers": "file", "config.providers.file.param.allowed.paths": "/run/secrets"}
    merged = {key: value for key, value in {**properties, **change}.items() if value is not None}
    with pytest.raises(ConfigError, match=named):
        providers_of(merged, {})


def test_an_error_shows_the_reference_and_not_what_it_gave():
    definition = ConfigDef(
        Key("count", Type.INT, check=at_least(1)),
        Key("topics", Type.LIST, check=lambda value: f"{value[0]} is no topic"),
    )
    config = {"count": Referenced("abc-secret", "${env:A}"), "topics": Referenced("t-secret", "${env:B}")}
    with pytest.raises(ConfigError) as caught:
        definition.parse(config, "connector x")
    assert "secret" not in str(caught.value)
    assert "${env:A}" in str(caught.value)
    assert "${env:B}" in str(caught.value)


def test_the_worker_resolves_for_the_connector_and_shows_the_reference(providers, folder):
    worker = Worker(
        WorkerConfig(bootstrap_servers="k:9092", group_id="g", topic_prefix="byoc", offset_storage_topic="o"),
        providers,
    )
    config = {
        "connector.class": "connectors.pubsub.PubSubSource",
        "salesforce.login.url": "https://org.my.salesforce.com",
        "salesforce.client.id": f"${{file:{folder}/sf.properties:id}}",
        "salesforce.client.secret": "${env:SALESFORCE_SECRET}",
        "salesforce.topics": "/event/A__e",
    }
    handle = worker.add("sf", config)
    assert handle.config == {**config, "name": "sf"}
    assert isinstance(handle.connector, PubSubSource)
    assert handle.connector.config["salesforce.client.secret"] == "from-env"
    with pytest.raises(ConfigError) as caught:
        worker.add("other", {**config, "salesforce.ca.file": "${env:SALESFORCE_SECRET}"})
    assert "from-env" not in str(caught.value)
    assert "salesforce.ca.file" in str(caught.value)


def test_what_a_reference_gave_is_in_no_log_line():
    redaction = Redaction()
    redaction.learn({"a": Referenced("very-secret\n", "${env:A}"), "b": "plain", "c": Referenced("1", "${env:C}")})
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FieldFormatter(redaction))
    log = logging.getLogger("test.references")
    log.addHandler(handler)
    try:
        log.warning("login failed", extra={"reason": "client_id=very-secret, attempt 1"})
    finally:
        log.removeHandler(handler)
    assert "very-secret" not in stream.getvalue()
    assert "client_id=${env:A}, attempt 1" in stream.getvalue()


def test_without_providers_there_are_no_references():
    with pytest.raises(ConfigError, match="there is no provider env"):
        ConfigProviders().resolved({"a": "${env:HOME}"}, "connector x")


def test_the_example_of_the_documents_is_one_that_is_taken():
    text = (ROOT / "docs" / "source.md").read_text().split("```properties\n")[1].split("```")[0]
    assert providers_of(parse_properties(text), {})


KAFKAS_PATTERN = re.compile(r"\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}")


class _Echo:
    """Gives what it is asked for."""

    def get(self, path, key):
        return f"<{path}|{key}>"


@given(st.text("${}:a\n", max_size=24))
def test_references_are_those_that_kafkas_pattern_finds(text):
    expected = KAFKAS_PATTERN.sub(lambda found: f"<{found[2] or ''}|{found[3]}>", text)
    names = {found[1] for found in KAFKAS_PATTERN.finditer(text)}
    assert resolved(ConfigProviders({name: _Echo() for name in names}), text) == expected


@pytest.mark.parametrize("piece", ["${${:::", "${", "${a", "${:", "${a:b", "${}", ":", "$", "${${:::}"])
def test_a_long_text_of_half_references_is_read_at_once(piece):
    began_s = time.perf_counter()
    with contextlib.suppress(ConfigError):
        resolved(ConfigProviders({}), piece * (100_000 // len(piece)))
    assert time.perf_counter() - began_s < 1
