"""Long work says how far it is, also where there is no terminal."""

import pytest

from swaplab.progress import counting, duration


def test_without_a_terminal_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [100.0]
    monkeypatch.setattr("swaplab.progress.time.monotonic", lambda: clock[0])
    with counting("rendering", "faces", 3872) as advance:
        assert capsys.readouterr().err == "rendering faces: 3,872\n"  # before the first is done
        for seconds in (5.0, 15.0, 16.0, 31.0, 60.0):
            clock[0] = 100.0 + seconds
            advance(968 if seconds > 5 else 0)
    said = ["rendering faces: 968 of 3,872, 45 s left", "rendering faces: 2,904 of 3,872, 10 s left"]
    assert capsys.readouterr().err.splitlines() == said  # and no word of the end: what comes next says that


def test_on_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with counting("rendering", "faces", 20) as advance:
        advance(20)
    shown = capsys.readouterr().err
    assert "20/20" in shown
    assert "rendering faces:" not in shown


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min"), (3900, "1 h 05")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
