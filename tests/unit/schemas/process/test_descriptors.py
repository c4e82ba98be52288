"""The limit of open files: raised, or named with its remedy."""

import errno
import subprocess
import sys

import pytest

from schemas.process.descriptors import ran_out

RAISES = """
import resource, sys
from schemas.process.descriptors import TooFewDescriptors, raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
try:
    raise_descriptor_limit(200, "byoc connect")
except TooFewDescriptors as error:
    print(error)
else:
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def said(soft: int, hard: int) -> str:
    run = [sys.executable, "-c", RAISES, str(soft), str(hard)]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()


def test_the_soft_limit_is_raised_to_the_hard_one():
    assert said(40, 300) == "(300, 300)"


def test_a_hard_limit_that_is_too_low_is_named_with_its_value_and_the_remedy():
    message = said(40, 60)
    assert "starting byoc connect: RLIMIT_NOFILE is 60" in message
    assert "about 200" in message
    assert "ulimit -n 1024" in message


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_running_out_is_recognised_in_the_cause_of_an_error(number: int):
    error = RuntimeError("connecting")
    error.__cause__ = OSError(number, "Too many open files")
    assert "too many open files" in str(ran_out(error))
    assert "ulimit -n" in str(ran_out(OSError(number, "Too many open files")))


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "x"), ValueError("x")])
def test_another_error_is_not_taken_for_it(error: Exception):
    assert ran_out(error) is None
