"""TCP in between: a relay that can be cut or frozen, and an HTTP proxy that knows CONNECT."""

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

_PIECE = 65536


class _Listener:
    """Accepts on a port of its own; each connection gets a thread."""

    def __init__(self):
        self._listening = socket.create_server(("localhost", 0))
        self.port = self._listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self._listening.accept()[0]
                self.connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket):
        raise NotImplementedError

    def cut(self):
        """Ends all connections."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for connection in self.connections:
            connection.close()


class Relay(_Listener):
    """Passes bytes on to a server until a test wants otherwise.

    Attributes:
      passes: cleared, nothing moves and nobody is told, as on a half-open connection.
      cut_after: bytes in either direction after which all is cut, once.
    """

    def __init__(self, server_port: int):
        self._server_port = server_port
        self.passes = threading.Event()
        self.passes.set()
        self.cut_after: int | None = None
        self.moved = 0
        super().__init__()

    def _dial(self) -> socket.socket:
        return socket.create_connection(("localhost", self._server_port))

    def _serve(self, connection: socket.socket):
        try:
            server = self._dial()
        except OSError:
            connection.close()
            return
        self.connections.append(server)
        self._start(self._move, connection, server)
        self._move(server, connection)

    def _move(self, source: socket.socket, target: socket.socket):
        with contextlib.suppress(OSError):
            while received := source.recv(_PIECE):
                self.passes.wait()
                self._delay(len(received))
                self.moved += len(received)
                if self.cut_after is not None and self.moved > self.cut_after:
                    self.cut_after = None
                    self.cut()
                target.sendall(self._spoilt(received))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _spoilt(self, received: bytes) -> bytes:
        """What is passed on in the place of what came."""
        return received

    def _delay(self, num_bytes: int) -> None:
        """Waits as long as so many bytes take."""

    def close(self):
        self.passes.set()
        super().close()


class ConnectProxy(_Listener):
    """An HTTP proxy.

    Attributes:
      asked: the first line and the authorisation of each request.
    """

    def __init__(self, *, credentials: str = "", status: str = "200 OK"):
        self._wanted = base64.b64encode(credentials.encode()).decode()
        self._status = status
        self.asked: list[tuple[str, str]] = []
        super().__init__()

    def _serve(self, connection: socket.socket):
        with contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                if not (received := connection.recv(_PIECE)):
                    return
                request += received
            first, *lines = request.decode().split("\r\n")
            given = next((line for line in lines if line.lower().startswith("proxy-auth")), "")
            self.asked.append((first, given.rpartition(" ")[2]))
            if given.rpartition(" ")[2] != self._wanted:
                self._refuse(connection, "407 Proxy Authentication Required")
            elif not self._status.startswith("200"):
                self._refuse(connection, self._status)
            else:
                self._tunnel(connection, first.split()[1])

    def _refuse(self, connection: socket.socket, status: str):
        connection.sendall(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_RDWR)

    def _tunnel(self, connection: socket.socket, target: str):
        server = socket.create_connection(("localhost", int(target.rpartition(":")[2])))
        self.connections.append(server)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._start(self._move, connection, server)
        self._move(server, connection)

    def _move(self, source: socket.socket, target: socket.socket):
        with contextlib.suppress(OSError):
            while received := source.recv(_PIECE):
                target.sendall(received)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def closing(proxy) -> Iterator:
    """The proxy; it ends with the block."""
    try:
        yield proxy
    finally:
        proxy.close()
