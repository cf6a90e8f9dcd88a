"""The console script: how it ends where no verb decides that."""

from __future__ import annotations

import pytest

from infra import cli, hardening, logs


def interrupted(*said: object, **named: object) -> None:
    """Ctrl-C, at this moment."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["harden", "app"])
def test_ctrl_c_in_the_first_second_ends_quietly(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], moment: str) -> None:
    """Exit 130, as a shell names it, and not a word: neither before a verb begins nor from it."""
    monkeypatch.delenv("COUNTERFOIL_PARENT_PID", raising=False)
    monkeypatch.setattr(hardening, "harden", lambda: None)
    monkeypatch.setattr(logs, "set_up", lambda *, verbose: None)
    monkeypatch.setattr(*((hardening, "harden") if moment == "harden" else (cli, "app")),
                        interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")
