"""Every way to check a change runs the same commands: the Makefile, the hooks before a commit, and CI."""

import re

import yaml

from tests.support.sources import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def variable(name: str) -> str:
    """What a variable of the Makefile is set to, for the ones that are lists of words."""
    found = re.search(rf"^{name} :?= (.*)$", MAKEFILE, re.MULTILINE)
    assert found is not None
    return re.sub(r"^\$\(wildcard (.*)\)$", r"\1", found[1])


def recipe(target: str) -> list[str]:
    """The commands of a target with their variables written out."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None
    text = found[1].replace("$(BIN)", variable("BIN")).replace("$(FAST_TESTS)", variable("FAST_TESTS"))
    return [line.strip() for line in text.replace(" $(PYTEST_ARGS)", "").splitlines()]


def test_the_hooks_run_what_make_check_runs():
    assert [hook["entry"] for hook in HOOKS] == [*recipe("static"), *recipe("check")]


def test_the_workflow_runs_what_can_be_run_by_hand():
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    commands = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    assert "bash .ci/run" in commands
    for command in commands:
        assert command == "bash .ci/run" or (command.startswith("make ") and command.split()[1] in targets), command


def test_nothing_that_failed_is_run_again():
    text = (ROOT / ".ci" / "run").read_text() + MAKEFILE
    assert re.findall(r"--last-failed|--reruns|--lf\b|\bretry\b", text) == []
