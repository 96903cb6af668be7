"""What a script tells when something goes wrong that nobody expected."""

import logging

import pytest
from _log import logging_to

ADDRESS = "203.0.113.77"
TOLD = f"https://example.org/{ADDRESS}?token=secret"


def fail(*, hide):
    try:
        {}[ADDRESS]
    except KeyError as error:
        raise ValueError(TOLD) from (None if hide else error)


def fail_in_a_job(path, *, hide):
    with logging_to(path):
        fail(hide=hide)


@pytest.mark.parametrize("hide", [True, False])
def test_an_unexpected_error_tells_its_place_but_no_data(tmp_path, capsys, hide):
    path = tmp_path / "logs/a.log"
    root = logging.getLogger()
    before = list(root.handlers)
    with pytest.raises(SystemExit) as raised:
        fail_in_a_job(path, hide=hide)
    assert raised.value.code == 1
    assert raised.value.__suppress_context__
    for told in (path.read_text(), capsys.readouterr().err):
        assert "This is not expected." in told
        assert "test_log.py" in told
        kinds = [line for line in told.splitlines() if line in ("ValueError", "KeyError")]
        assert kinds == ["ValueError"] if hide else ["ValueError", "KeyError"]
        assert ADDRESS not in told
        assert "secret" not in told
    assert root.handlers == before
