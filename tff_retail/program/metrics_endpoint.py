"""Numbers for Prometheus, in its text format.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

import http.server
import threading
from collections.abc import Callable, Iterable, Mapping

from tff_retail.config import ConfigurationError, require_address

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# A scrape is one short request; whoever dawdles does not keep a thread.
_TIMEOUT_S = 10.0


def metrics_text(metrics: Mapping[str, tuple[str, Mapping[str, float]]]) -> str:
    """Gauges in the text format.

    Args:
      metrics: by name, what it is and its values by label value; '' stands for no label. A name
        such as `seconds{phase}` names its label.
    """
    return "".join(line for item in metrics.items() for line in _lines(*item))


class MetricsEndpoint:
    """Serves `/metrics` from a thread of its own.

    Args:
      address: HOST:PORT; port 0 takes a free one.
      text: gives what is served, at each request.

    Raises:
      ConfigurationError: the address can't be listened on.
    """

    def __init__(self, address: str, text: Callable[[], str]) -> None:
        host, port = require_address("metrics_address", address)
        try:
            self._server = http.server.ThreadingHTTPServer((host, port), _handler(text))
        except OSError as error:
            raise ConfigurationError(
                f"--metrics_address must be a free address of this machine, found {address!r} "
                f"({error.strerror})"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens, HOST:PORT."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        """Ends the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(text: Callable[[], str]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", _CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are no news."""

    return Handler


def _lines(named: str, described: tuple[str, Mapping[str, float]]) -> Iterable[str]:
    name, _, label = named.removesuffix("}").partition("{")
    text, values = described
    if values:
        yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"
    for key, value in sorted(values.items()):
        labels = f'{{{label}="{_escaped(key)}"}}' if label else ""
        yield f"{name}{labels} {_shortest(value)}\n"


def _shortest(value: float) -> str:
    is_whole = isinstance(value, int) or value.is_integer()
    return str(int(value)) if is_whole else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
