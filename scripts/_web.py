"""Asking web services, and telling why one did not answer without telling what was asked.

The exceptions of `requests` hold the URL, and with it a key, and sometimes what was sent. None of
them leaves this file: what is logged or raised says the kind of failure and nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import requests

TIMEOUT = (10, 60)
"""Seconds: for the connection, and between two bytes of an answer."""
TRIES = 3
WAIT = 1.0
"""Seconds before the second try; twice as long before each further one."""

# It writes the path and query of a request, so also a key in it, when it goes wrong.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class NoAnswerError(Exception):
    """A service did not answer. The message is the reason alone: `HTTP 503`, `time-out`."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


def no_answer(error: Exception) -> NoAnswerError:
    """What can be told of an exception."""
    response = getattr(error, "response", None)
    if response is not None:
        return NoAnswerError(f"HTTP {response.status_code}", response.status_code)
    for kind, reason in (
        (requests.Timeout, "time-out"),
        (requests.ConnectionError, "no connection"),
        (requests.exceptions.InvalidURL, "its URL is none"),
        (requests.exceptions.InvalidHeader, "the key has characters that no key has"),
        (ValueError, "an answer in another form"),
    ):
        if isinstance(error, kind):
            return NoAnswerError(reason)
    return NoAnswerError(type(error).__name__)


def passes(failure: NoAnswerError) -> bool:
    """Whether the same question may well be answered a little later."""
    return failure.status is None or failure.status in (500, 502, 503, 504)


def pause(tried: int) -> None:
    """Wait before the next try."""
    time.sleep(WAIT * 2 ** (tried - 1))


def get(url: str, params: Mapping[str, str | int] | None = None) -> requests.Response:
    """Fetch a URL, with up to `TRIES` tries.

    Raises:
        NoAnswerError: It cannot be had.
    """
    for tried in range(1, TRIES + 1):
        try:
            response = requests.get(url, params=params, timeout=TIMEOUT)
            response.raise_for_status()
        except Exception as error:
            failure = no_answer(error)
        else:
            return response
        if tried == TRIES or not passes(failure):
            break
        pause(tried)
    raise failure
