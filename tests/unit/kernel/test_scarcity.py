"""What there is no more of: told as what it is, with what shows or mends it."""

import errno
import os
import resource

import pytest

from hopscope.kernel.letters import refusal
from hopscope.kernel.scarcity import scarce


@pytest.mark.parametrize("code", ["EMFILE", "ENFILE", "EAGAIN", "ENOMEM", "ENOSPC"])
def test_a_limit_says_what_was_done_and_what_to_do(code: str) -> None:
    error = scarce(getattr(errno, code), "doing it")
    assert error is not None
    assert error.what.startswith("doing it: ")
    assert error.mend
    assert error.exit_code == 3


def test_the_limit_of_files_is_that_of_whoever_met_it() -> None:
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert f" {ours} " in str(scarce(errno.EMFILE, "doing it"))
    assert " 77 " in str(scarce(errno.EMFILE, "doing it", 77))


def test_all_else_is_another_matter() -> None:
    assert scarce(errno.EPERM, "doing it") is None


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, f"unshare: {os.strerror(errno.ENOSPC)}"), errno.ENOSPC, "unshare"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), errno.EMFILE, ""),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/x"), errno.EMFILE, "'/x'"),
        (OSError(errno.ESHUTDOWN, "the lab ends"), errno.ESHUTDOWN, "the lab ends"),
        (TimeoutError("too late"), errno.EIO, "too late"),
        (ValueError("what?"), errno.EINVAL, "ValueError('what?')"),
    ],
)
def test_an_error_is_told_by_its_number_and_what_its_words_add(
    error: Exception, code: int, said: str
) -> None:
    """Not as Python writes it, number and all."""
    told = refusal(error)
    assert (told["error"], told["doing"]) == (code, said)
