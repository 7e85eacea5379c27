from __future__ import annotations

import pytest

from wps_load.client.quote import SHOWN_CHARS, quote


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Quota exceeded", "Quota exceeded"),
        ("", ""),
        ("two\nlines\tand\x00 more  blanks ", "two lines and more blanks"),
        ("\x1b[2J\u202egone\ud83d", "[2J gone"),
        ("é ü 猫", "é ü 猫"),
        ("see wss://h/?access_token=abc.def&x=1", "see wss://h/?access_token=***&x=1"),
        ("Bearer eyJabc.eyJdef.sig", "Bearer ***"),
        ("Access\nKey=secret; AccessKey=secret2", "Access Key=secret; AccessKey=***"),
        ("x" * 500, "x" * (SHOWN_CHARS - 1) + "…"),
    ],
)
def test_what_a_peer_says_fits_on_a_line(text: str, shown: str) -> None:
    assert quote(text) == shown


def test_a_secret_is_gone_before_the_text_is_cut() -> None:
    shown = quote("x" * (SHOWN_CHARS - 20) + " access_token=" + "q" * 400)
    assert "q" not in shown
