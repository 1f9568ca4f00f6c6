"""Connection URLs with awkward passwords."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.config import urls

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
# Characters that mean nothing else in a URL, and the one that the old password holds.
PLAIN_WITH_AT = st.text("abcXYZ019@!$&*-_.~", min_size=1)


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        pytest.param("postgresql://u:p@h:5432/d", "postgresql://u:p@h:5432/d", id="nothing to do"),
        pytest.param("postgresql://u:p@ss@h/d", "postgresql://u:p%40ss@h/d", id="an @"),
        pytest.param("postgresql://u:p@s@s@h/d", "postgresql://u:p%40s%40s@h/d", id="two @"),
        pytest.param("postgresql://u:p@@h/d", "postgresql://u:p%40@h/d", id="an @ at the end"),
        pytest.param("postgresql://u:p:q@h/d", "postgresql://u:p%3Aq@h/d", id="a colon"),
        pytest.param("postgresql://u:p/q@h:1/d", "postgresql://u:p%2Fq@h:1/d", id="a slash"),
        pytest.param("postgresql://u:p#q?r@h/d?x=1", "postgresql://u:p%23q%3Fr@h/d?x=1", id="# and ?"),
        pytest.param("postgresql://u:p%40q@h/d", "postgresql://u:p%40q@h/d", id="encoded already"),
        pytest.param("postgresql://u:50%@h/d", "postgresql://u:50%25@h/d", id="a bare %"),
        pytest.param("postgresql://u:p@ss@h1:1,h2:2/d", "postgresql://u:p%40ss@h1:1,h2:2/d", id="two hosts"),
        pytest.param("postgresql://u:p@ss@[::1]:5/d", "postgresql://u:p%40ss@[::1]:5/d", id="IPv6"),
        pytest.param("postgresql:///d?host=/run/pg", "postgresql:///d?host=/run/pg", id="a socket"),
        pytest.param("postgresql://h:5432/a@b", "postgresql://h:5432/a@b", id="an @ in the path alone"),
        pytest.param("postgresql://u@h/d", "postgresql://u@h/d", id="no password"),
        pytest.param("redis://:p@ss@h:6379/0", "redis://:p%40ss@h:6379/0", id="no user"),
        pytest.param("http://h/@someone", "http://h/@someone", id="a page"),
        pytest.param("nonsense", "nonsense", id="no URL"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_last_at_before_the_host_separates(given_url: str, expected: str) -> None:
    assert urls.normalise(given_url) == expected


@given(user=ANY_TEXT, password=ANY_TEXT)
def test_encoded_credentials_mean_the_same_after(user: str, password: str) -> None:
    url = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@host:5432/name?a=b"
    after = urlsplit(urls.normalise(url))
    assert (unquote(after.username or ""), unquote(after.password or "")) == (user, password)
    assert (after.hostname, after.port, after.path, after.query) == ("host", 5432, "/name", "a=b")


@given(password=PLAIN_WITH_AT)
def test_bare_at_in_a_password_means_itself(password: str) -> None:
    after = urlsplit(urls.normalise(f"postgresql://postgres:{password}@postgres:5432/name"))
    assert unquote(after.password or "") == password
    assert after.hostname == "postgres"


@given(rest=st.text("ab:@/?#%,[]=&0", max_size=20))
def test_normalising_twice_changes_nothing_more(rest: str) -> None:
    once = urls.normalise(f"postgresql://{rest}")
    assert urls.normalise(once) == once


@given(password=st.text("xyz@:/?#%&=[]", min_size=3))
def test_masked_url_does_not_hold_the_password(password: str) -> None:
    url = urls.normalise(f"postgresql://user:{quote(password, safe='')}@host:5432/name")
    assert urls.mask(url) == "postgresql://user:***@host:5432/name"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://:p@h/d", "postgresql://:***@h/d"),
        ("postgresql:///d?host=/r&password=hidden&x=1", "postgresql:///d?host=/r&password=***&x=1"),
        ("https://h/hook?api_key=hidden", "https://h/hook?api_key=***"),
        ("u:hidden@h", "***"),
        ("host:1234", "host:1234"),
        ("", ""),
    ],
)
def test_mask_hides_what_is_secret_and_no_more(url: str, expected: str) -> None:
    assert urls.mask(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h", True),
        ("postgresql://h:5432/d", True),
        ("postgresql:///d", True),
        ("postgresql://h1:1,h2/d", True),
        ("postgresql://[::1]:5432/d", True),
        ("postgresql://h:port/d", False),
        ("postgresql://h:70000/d", False),
        ("h:5432", False),
    ],
)
def test_hosts_are_readable(url: str, expected: bool) -> None:
    assert urls.has_readable_hosts(url) is expected
