"""The gRPC stream that carries a link: its name, and the settings of both ends, with reasons."""

import dataclasses

from tff_retail.transport.link_frames import MAX_FRAME_BYTES
from tff_retail.transport.link_limits import LinkLimits

SERVICE, METHOD = "tff_retail.link.v1.Link", "Attend"
ATTEND = f"/{SERVICE}/{METHOD}"


@dataclasses.dataclass(frozen=True)
class StreamOptions:
    """Settings of gRPC's core, https://grpc.github.io/grpc/core/group__grpc__arg__keys.html.

    Attributes:
      limits: of the link.
    """

    limits: LinkLimits

    def both(self) -> list[tuple[str, object]]:
        """What holds at either end."""
        keepalive_ms = int(self.limits.keepalive_s * 1000)
        return [
            ("grpc.max_receive_message_length", MAX_FRAME_BYTES),
            ("grpc.max_send_message_length", MAX_FRAME_BYTES),
            # Measured over loopback, 5 stores x 100 MB both ways: as fast as plain TLS sockets.
            ("grpc.http2.max_frame_size", 1 << 20),
            ("grpc.http2.lookahead_bytes", 8 << 20),
            ("grpc.http2.bdp_probe", 0),
            # What a connection has ready for what comes next, and keeps once it is over. Without
            # a bound it grows to the largest body: with 100 stores 700 kB for each of them.
            ("grpc.experimental.tcp_max_read_buffer_size", 64 << 10),
            ("grpc.http2.write_buffer_size", 4 << 20),
            # A few compressed bytes could stand for a gigabyte.
            ("grpc.per_message_compression", 0),
            ("grpc.per_message_decompression", 0),
            # Half-open connections are found by pings, in either direction.
            ("grpc.keepalive_time_ms", keepalive_ms),
            ("grpc.keepalive_timeout_ms", keepalive_ms),
            # A ping that is on its way already stands for the next one; its own limit is a minute.
            ("grpc.http2.ping_timeout_ms", keepalive_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.http2.min_ping_interval_without_data_ms", keepalive_ms // 2),
        ]

    def of_server(self) -> list[tuple[str, object]]:
        """Headquarters' end."""
        hello_ms = int(self.limits.hello_s * 1000)
        return [
            *self.both(),
            # Two processes on one port would each get some of the stores.
            ("grpc.so_reuseport", 0),
            # A store attends once; whoever connects and does not attend is sent away.
            ("grpc.max_concurrent_streams", 1),
            ("grpc.max_connection_idle_ms", hello_ms),
            ("grpc.server_handshake_timeout_ms", hello_ms),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 100),
        ]

    def of_store(self, proxy: str | None) -> list[tuple[str, object]]:
        """A store's end.

        Args:
          proxy: URL of the proxy to go through; None to go straight.
        """
        way = ("grpc.enable_http_proxy", 0) if proxy is None else ("grpc.http_proxy", proxy)
        # `LinkClient` waits between attempts itself: a channel is used for one.
        return [*self.both(), way, ("grpc.use_local_subchannel_pool", 1)]
