from __future__ import annotations

import msgspec
import pytest

from pcd.config import Secret, ServiceTitanConfig
from pcd.servicetitan.vet import call_refusal, hint, token_refusal, token_url, vet

GOOD = ServiceTitanConfig(
    tenant_id="1000",
    client_id="cid.abc",
    client_secret=Secret("cs1.hush"),
    app_key=Secret("ak1.hush"),
)


def changed(**values: object) -> ServiceTitanConfig:
    return msgspec.structs.replace(GOOD, **values)


def test_good_settings_have_no_faults() -> None:
    assert vet(GOOD) == ()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param(
            {"client_id": ""}, "servicetitan.client_id (SERVICE_TITAN_CLIENT_ID) is not set", id="id"
        ),
        pytest.param({"client_secret": Secret()}, "SERVICE_TITAN_CLIENT_SECRET) is not set", id="secret"),
        pytest.param({"app_key": Secret()}, "SERVICE_TITAN_APP_KEY) is not set", id="app key"),
        pytest.param({"tenant_id": ""}, "SERVICE_TITAN_TENANT_ID) is not set", id="tenant"),
        pytest.param({"tenant_id": "acme"}, "'acme', expected digits", id="tenant by name"),
        pytest.param(
            {"app_key": Secret("ak1.hush\n")},
            "app_key (SERVICE_TITAN_APP_KEY) holds a blank",
            id="line break",
        ),
        pytest.param({"client_secret": Secret("hush\u200b")}, "odd character", id="invisible character"),
        pytest.param(
            {"api_url": "api.servicetitan.io"}, "expected something like https://host", id="no scheme"
        ),
        pytest.param({"auth_url": "https://"}, "auth_url", id="no host"),
    ],
)
def test_fault_names_the_key_and_never_the_secret(values: dict[str, object], says: str) -> None:
    faults = vet(changed(**values))
    assert len(faults) == 1
    assert says in faults[0]
    assert "hush" not in faults[0]


def test_every_fault_is_told_at_once() -> None:
    (told,) = vet(ServiceTitanConfig())
    assert told.count("SERVICE_TITAN_") == 4


def test_mixed_environments_are_pointed_out() -> None:
    mixed = changed(api_url="https://api-integration.servicetitan.io")
    assert "api_url (PCD_SERVICETITAN__API_URL) is the integration environment but" in hint(mixed)
    assert "auth_url (PCD_SERVICETITAN__AUTH_URL) is production" in hint(mixed)


def test_one_environment_hints_at_the_other() -> None:
    assert hint(GOOD) == "credentials of the integration environment are refused at auth.servicetitan.io"


@pytest.mark.parametrize(
    ("auth_url", "expected"),
    [
        ("https://auth.servicetitan.io", "https://auth.servicetitan.io/connect/token"),
        ("https://auth.servicetitan.io/", "https://auth.servicetitan.io/connect/token"),
        ("http://127.0.0.1:80/connect/token", "http://127.0.0.1:80/connect/token"),
    ],
)
def test_token_address_may_be_given_as_host_or_whole(auth_url: str, expected: str) -> None:
    assert token_url(auth_url) == expected


@pytest.mark.parametrize(
    ("status", "said", "names"),
    [
        (400, "invalid_client", ("client_id", "client_secret", "integration")),
        (400, "unsupported_grant_type", ("client_id", "client_secret", "auth_url")),
        (404, "", ("auth_url",)),
        (302, "", ("auth_url",)),
    ],
)
def test_refused_token_request_names_the_keys(status: int, said: str, names: tuple[str, ...]) -> None:
    text = token_refusal(GOOD, status=status, said=said)
    assert all(name in text for name in names)
    assert "hush" not in text


def test_refused_call_names_the_app_key_and_the_tenant() -> None:
    text = call_refusal(GOOD, said="customers: 401")
    assert "servicetitan.app_key (SERVICE_TITAN_APP_KEY)" in text
    assert "tenant 1000, servicetitan.tenant_id" in text
