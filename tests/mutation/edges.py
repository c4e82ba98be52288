"""The guards at the edges of a process: what is shown, who may ask, what others may read, how much may be open."""

from tests.mutation.mutant import Mutant

LINES = "tests/unit/schemas/process/test_log_lines.py"
HOSTS = "tests/unit/schemas/process/test_hosts.py"
SECRETS = "test_secrets.py -k"
PRIVATE = "test_private_files.py"

EDGES = [
    Mutant(
        "log: a message stays on its line",
        "schemas.process:FieldFormatter.format",
        "one_line(self._clean(self.formatMessage(record)))",
        "self._clean(self.formatMessage(record))",
        LINES,
    ),
    Mutant(
        "log: so does each line of a trace",
        "schemas.process:FieldFormatter.format",
        "map(one_line, further)",
        "further",
        LINES,
    ),
    Mutant(
        "log: a trace cannot look like a record",
        "schemas.process:FieldFormatter.format",
        "'\\n\\t'.join([head, *map(one_line, further)])",
        "'\\n'.join([head, *map(one_line, further)])",
        LINES,
    ),
    Mutant(
        "log: a field is cleaned before it is quoted",
        "schemas.process:FieldFormatter._shown",
        "self._clean(str(value))",
        "str(value)",
        LINES,
    ),
    Mutant(
        "log: URLs lose their user",
        "schemas.process:_clean",
        "without_userinfo(self._redact(text))",
        "self._redact(text)",
        LINES,
    ),
    Mutant(
        "URL: a password may hold a slash",
        "schemas.process:_masked",
        "plain is not None",
        "plain is not None or '@' not in re.split('[/?#]', other)[0]",
        "test_text.py",
    ),
    Mutant(
        "URL: an address that is one is shown", "schemas.process:_masked", "plain is not None", "False", "test_text.py"
    ),
    Mutant(
        "URL: an address without a scheme has a password too",
        "schemas.process:_masked_word",
        "not (mark and colon)",
        "True",
        "test_text.py",
    ),
    Mutant(
        "hosts: another name is refused",
        "schemas.process:_is_ours",
        "host == self._bound or (address is not None and address == self._address)",
        "True",
        HOSTS,
    ),
    Mutant(
        "hosts: on loopback only loopback",
        "schemas.process:_is_ours",
        "host in _LOOPBACK_NAMES or (address is not None and address.is_loopback)",
        "True",
        HOSTS,
    ),
    Mutant(
        "hosts: on all addresses only addresses",
        "schemas.process:_is_ours",
        "address is not None or host in _LOOPBACK_NAMES",
        "True",
        HOSTS,
    ),
    Mutant("hosts: one header", "schemas.process:refusal", "len(given) > 1", "False", HOSTS),
    Mutant(
        "hosts: the REST API asks",
        "connectors.runtime:_only_for_us",
        "refusal is not None",
        "False",
        "test_connect_worker.py -k another_host",
    ),
    Mutant(
        "hosts: the query API asks",
        "streams.web:only_for_us",
        "refusal is not None",
        "False",
        "test_query_hosts.py -k every_path",
    ),
    Mutant(
        "secrets: a password is hidden",
        "connectors.config:ConfigDef._shown_of",
        "declared is None or declared.type is Type.PASSWORD",
        "declared is None",
        f"{SECRETS} no_endpoint",
    ),
    Mutant(
        "secrets: so is a mistyped key",
        "connectors.config:ConfigDef._shown_of",
        "declared is None or declared.type is Type.PASSWORD",
        "declared is not None and declared.type is Type.PASSWORD",
        f"{SECRETS} no_endpoint",
    ),
    Mutant(
        "secrets: what was hidden does not come back",
        "connectors.config:_value_of",
        "key.type is Type.PASSWORD and HIDDEN in text",
        "False",
        f"{SECRETS} comes_back",
    ),
    Mutant(
        "secrets: an inline password is learned",
        "connectors.runtime:Worker.add",
        "self._redaction.learn(resolved, made.definition)",
        "self._redaction.learn(resolved)",
        f"{SECRETS} no_endpoint",
    ),
    Mutant(
        "secrets: an error is answered without",
        "connectors.runtime:_json_errors",
        "self._worker.redacted(str(error))",
        "str(error)",
        f"{SECRETS} quotes",
    ),
    Mutant(
        "files: private from the beginning",
        "byoc:append_privately",
        "os.fchmod(descriptor, FILE_MODE)",
        "pass",
        f"{PRIVATE} -k beginning",
    ),
    Mutant(
        "files: so is the folder",
        "byoc:private_folder",
        "path.mkdir(mode=FOLDER_MODE, exist_ok=True)",
        "path.mkdir(exist_ok=True)",
        f"{PRIVATE} -k beginning",
    ),
    Mutant(
        "open files: too few are named",
        "schemas.process:raise_descriptor_limit",
        "hard != resource.RLIM_INFINITY and hard < needed",
        "False",
        "test_descriptors.py",
    ),
    Mutant(
        "open files: the limit is raised",
        "schemas.process:raise_descriptor_limit",
        "soft != hard",
        "False",
        "test_descriptors.py",
    ),
    Mutant(
        "open files: a log line has the remedy",
        "schemas.process:FieldFormatter.format",
        "told is not None",
        "False",
        "test_open_files.py -k runs_out",
    ),
    Mutant(
        "text: controls are escaped",
        "schemas.process:one_line",
        "_CONTROLS.sub(_escaped, text)",
        "text",
        "test_text.py",
    ),
    Mutant(
        "explain: a defect costs its line only",
        "byoc.explain:_explained",
        "Exception",
        "ZeroDivisionError",
        "test_explain.py -k 'defect or odd_one'",
    ),
    Mutant(
        "explain: nothing steers the terminal",
        "byoc.explain:_json",
        "map(one_line, text.split('\\n'))",
        "[text]",
        "test_explain.py -k steers",
    ),
    Mutant(
        "secrets: none on a command line",
        "byoc.system:System",
        "('partner', 'channel', '--port', '0', '--log', str(self.partner_log))",
        "('partner', 'channel', '--port', '0', '--log', str(self.partner_log), '--secret', secret)",
        f"{PRIVATE} -k running_system",
    ),
    Mutant(
        "log: lines of the Kafka client are lines of ours",
        "connectors.kafka.producer:TransactionalProducer.__init__",
        "'logger': KAFKA_CLIENT",
        "'client.id': 'x'",
        "--timeout 60 test_kafka_client_lines.py",
    ),
]
