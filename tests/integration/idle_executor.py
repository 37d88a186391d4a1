"""An executor child that does nothing, until its daemon is gone: it starts without TensorFlow."""

import socket
import sys

if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as daemon:
        while daemon.recv(4096):
            pass
