"""Errors in wps-load's handlers and greenlets are reported, with the resulting exit code."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from wps_load.clock import now_ns
from wps_load.errors import ConfigError, ExitCode, Fault, Finding
from wps_load.swarm.guard import Trouble, guarded, trouble, watch_loop
from wps_load.workload.values import whole

NOT_THIS = ConfigError([Fault("--wps-hub", "a b", "no blanks"), Fault("--users", "0", "at least 1")])


@pytest.mark.parametrize(
    ("error", "sentence", "code"),
    [
        (NOT_THIS, "--wps-hub 'a b': no blanks; --users '0': at least 1", ExitCode.USAGE),
        (Finding("http_401", "the key is wrong"), "the key is wrong", ExitCode.INVALID),
        (OSError(28, "No space left on device", "/x"), "start failed: /x No space left on device", ExitCode.INVALID),
        (KeyError("oops"), "start failed (KeyError), which is a bug in wps-load", ExitCode.INVALID),
    ],
)
def test_a_sentence_for_each_and_a_traceback_for_bugs_only(
    error: Exception, sentence: str, code: ExitCode, caplog: pytest.LogCaptureFixture
) -> None:
    assert trouble("start", error) == Trouble(sentence, code)
    assert ("Traceback" in caplog.text or "KeyError" in caplog.text) is isinstance(error, KeyError)


def test_a_guarded_handler_raises_nothing_but_what_ends_a_process() -> None:
    found: list[Trouble] = []

    def _on_start(error: BaseException | None = None, **_: Any) -> str:
        if error is not None:
            raise error
        return "done"

    handler = guarded(_on_start, found.append)
    assert handler(environment=None) == "done"
    assert handler(error=NOT_THIS) is None
    handler(error=KeyError())
    assert [each.code for each in found] == [ExitCode.USAGE, ExitCode.INVALID]
    assert found[1].sentence.startswith("on_start failed")
    for ending in (SystemExit(2), KeyboardInterrupt(), gevent.GreenletExit()):
        with pytest.raises(type(ending)):
            handler(error=ending)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Trouble]:
    hub = gevent.get_hub()
    monkeypatch.setattr(hub, "handle_error", lambda *_: None)  # what gevent would print
    found: list[Trouble] = []
    watch_loop(found.append)
    return found


def _of_somebody_else() -> None:
    raise KeyError


def test_what_ends_a_greenlet_of_ours_is_reported(told: list[Trouble]) -> None:
    for function in (_of_somebody_else, now_ns):
        gevent.spawn(function).join()
    assert told == []
    gevent.spawn(whole, "not a number").join()
    (found,) = told
    assert (found.code, "ValueError" in found.sentence) == (ExitCode.INVALID, True)
    gevent.get_hub().loop.run_callback(whole, "nor this")
    gevent.sleep(0.01)
    assert len(told) == 2, "a callback of the loop"
