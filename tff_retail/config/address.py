"""A network address that a flag names."""

from tff_retail.config.requirement import require


def require_address(flag: str, address: str) -> tuple[str, int]:
    """`HOST:PORT` as host and port; an IPv6 host stands in brackets, a port of 0 is a free one.

    Raises:
      ConfigurationError: it is something else.
    """
    host, _, port = address.rpartition(":")
    is_bare = ":" not in host or (host.startswith("[") and host.endswith("]"))
    is_valid = bool(host) and "/" not in host and is_bare and port.isdecimal()
    require(is_valid and int(port) < 2**16, flag, "HOST:PORT", address, "such as 0.0.0.0:8443")
    return host.strip("[]"), int(port)
