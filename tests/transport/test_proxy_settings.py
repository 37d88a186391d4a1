import pytest

from tff_retail.config.configuration_error import ConfigurationError
from tff_retail.transport.proxy_settings import ProxySettings

_PROXY = "http://proxy.example.com:3128"


def _way(address, **environment):
    return ProxySettings.from_environment(environment).proxy_for(address)


def test_without_settings_the_way_is_direct():
    assert _way("hq.example.com:8443") is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("url", [_PROXY, _PROXY + "/", "proxy.example.com:3128"])
def test_the_proxy_of_either_case(name, url):
    assert _way("hq.example.com:8443", **{name: url}) == _PROXY


def test_lower_case_counts_more():
    assert _way("hq:1", HTTPS_PROXY="http://a:1", https_proxy="http://b:2") == "http://b:2"


def test_a_password_is_kept_as_it_is():
    url = "http://user:p%40ss@proxy.example.com:3128"
    assert _way("hq:1", HTTPS_PROXY=url) == url


@pytest.mark.parametrize(
    ("exceptions", "address", "is_direct"),
    [
        ("hq.example.com", "hq.example.com:8443", True),
        ("HQ.Example.COM", "hq.example.com:8443", True),
        ("example.com", "hq.example.com:8443", True),
        (".example.com", "hq.example.com:8443", True),
        ("*.example.com", "hq.example.com:8443", True),
        ("example.com.", "hq.example.com.:8443", True),
        ("ample.com", "hq.example.com:8443", False),
        ("hq.example.com", "example.com:8443", False),
        ("a.org, example.com", "hq.example.com:8443", True),
        ("a.org b.org", "hq.example.com:8443", False),
        ("*", "hq.example.com:8443", True),
        ("hq.example.com:8443", "hq.example.com:8443", True),
        ("hq.example.com:443", "hq.example.com:8443", False),
        ("10.0.0.0/8", "10.1.2.3:8443", True),
        ("10.0.0.0/8", "11.1.2.3:8443", False),
        ("10.1.2.3", "10.1.2.3:8443", True),
        ("0.1.2.3", "10.1.2.3:8443", False),
        ("fd00::/8", "[fd00::1]:8443", True),
        ("::1", "[::1]:8443", True),
        ("[::1]:8443", "[::1]:8443", True),
        ("", "hq.example.com:8443", False),
        (",,", "hq.example.com:8443", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_exceptions(name, exceptions, address, is_direct):
    way = _way(address, HTTPS_PROXY=_PROXY, **{name: exceptions})
    assert way == (None if is_direct else _PROXY)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@proxy.example.com:3128",
        "socks5://user:secret@proxy:1080",
        "http://user:secret@proxy.example.com",
        "http://user:secret@proxy.example.com:port",
    ],
)
def test_a_proxy_that_can_not_be_used_is_named_without_its_password(url):
    with pytest.raises(ConfigurationError, match="^HTTPS_PROXY must be the http://") as caught:
        ProxySettings.from_environment({"HTTPS_PROXY": url})
    assert "secret" not in str(caught.value)


def test_the_password_is_not_in_the_representation():
    assert "secret" not in repr(ProxySettings("http://user:secret@proxy:1"))
