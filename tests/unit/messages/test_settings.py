from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.config import listing, load
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[messaging]\nsms = "smtp"', "messaging.sms"),
        ('[messaging]\nsms = "sendgrid"', "messaging.sms"),
        ('[messaging]\nemail = "twilio"', "messaging.email"),
        ('[[workflows.webhooks]]\nname = "a"\nurl = "ftp://b"', "webhooks"),
        ('[[workflows.webhooks]]\nname = "a"\nurl = "http://b"\n' * 2, "twice"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_the_start(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load(path, {})


def test_webhook_keeps_its_secret_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[[workflows.webhooks]]\nname = "n8n"\nurl = "https://a.example/x"\nsecret = "s3cret"')
    config = load(path, {})
    shown = str([entry.value for entry in listing.entries(config)])
    assert not [one for one in ("s3cret", "a.example/x") if one in repr(config) + shown]
    assert config.workflows.webhooks[0].secret.reveal() == "s3cret"
