"""How many files and sockets a process may have open, checked before it starts and told when it runs out."""

import errno
import resource

_NAME = "RLIMIT_NOFILE"
_REMEDY = "raise it with `ulimit -n {wanted}`, LimitNOFILE= of systemd or ulimits.nofile of compose"


class TooFewDescriptors(Exception):
    """The limit of open files is too low. The message names the limit, its value, what is needed and the remedy."""


def raise_descriptor_limit(needed: int, whose: str) -> None:
    """Raise the soft limit of this process to its hard limit.

    `needed` is an estimate of what `whose` opens. Raises `TooFewDescriptors` when the hard limit is below it: what
    would fail later, in a client library and in the middle of the work, is said now.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewDescriptors(
            f"starting {whose}: {_NAME} is {hard} (soft and hard), and it needs about {needed} open files and sockets;"
            f" {_REMEDY.format(wanted=_rounded(needed))}"
        )


def ran_out(error: BaseException) -> str | None:
    """What to say of an error that was caused by too many open files; None for another error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            whose = f"{_NAME} of this process is {limit}" if cause.errno == errno.EMFILE else "the whole machine"
            return f"too many open files ({whose}): {_REMEDY.format(wanted=_rounded(2 * limit))}, then start again"
        cause = cause.__cause__ or cause.__context__
    return None


def _rounded(needed: int) -> int:
    """The next power of two, at least 1024: a number that is usual for this limit."""
    return max(1024, 1 << (needed - 1).bit_length())
