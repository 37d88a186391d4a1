"""Which proxy leads to a host: HTTPS_PROXY and NO_PROXY, in either case.

gRPC reads the lower-case names only, and an administrator's shell may have either. The rules of
NO_PROXY are those that curl, Python and Go share: names match themselves and what lies below them,
with or without a leading dot; networks are written as CIDR; `*` is every host; a port narrows.
"""

import dataclasses
import ipaddress
import urllib.parse
from collections.abc import Mapping

from tff_retail.config.configuration_error import ConfigurationError

_REMEDY = "write it as http://[user:password@]host:port"


@dataclasses.dataclass(frozen=True)
class ProxySettings:
    """The proxy of this machine.

    Attributes:
      url: `http://[user:password@]host:port`; '' to connect directly.
      exceptions: hosts that are reached directly.
    """

    url: str = dataclasses.field(default="", repr=False)  # may hold a password
    exceptions: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ProxySettings":
        """What the variables of `environment` say; lower case counts more, as for curl.

        Raises:
          ConfigurationError: HTTPS_PROXY names no proxy that can be used.
        """
        url = environment.get("https_proxy") or environment.get("HTTPS_PROXY") or ""
        exceptions = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
        names = tuple(name for name in exceptions.replace(",", " ").split() if name)
        return cls(_checked(url), names)

    def proxy_for(self, address: str) -> str | None:
        """The proxy's URL for `host:port`; None to connect directly."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]").lower().rstrip(".")
        is_exception = any(_matches(rule.lower(), host, port) for rule in self.exceptions)
        return self.url if self.url and not is_exception else None


def _checked(url: str) -> str:
    """The URL with its scheme; errors name no password."""
    if not url:
        return ""
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    try:
        is_usable = bool(parts.scheme == "http" and parts.hostname and parts.port)
    except ValueError:
        is_usable = False
    if not is_usable:
        shown = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        raise ConfigurationError(
            f"HTTPS_PROXY must be the http:// address of a proxy, found {shown!r}; {_REMEDY}"
        )
    return f"http://{parts.netloc}"


def _matches(rule: str, host: str, port: str) -> bool:
    if rule == "*":
        return True
    name, colon, rule_port = rule.rpartition(":")
    if colon and rule_port.isdigit() and (name.startswith("[") or ":" not in name):
        if rule_port != port:
            return False
        rule = name
    rule = rule.strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        name = rule.removeprefix("*").removeprefix(".").rstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
