"""A TCP proxy that makes the way longer: `python -m tests.benchmarks.proxy PORT TARGET SECONDS`.

Each piece of data arrives SECONDS after it was sent, in either direction, and what follows is not held up by it: the
delay of a wire, not of a queue. Threads, because the timers of event loops are no finer than a millisecond.
"""

import queue
import socket
import sys
import time
from threading import Thread

Wire = queue.SimpleQueue[tuple[float, bytes]]


def receive(source: socket.socket, wire: Wire, delay: float) -> None:
    while data := source.recv(65536):
        wire.put((time.monotonic() + delay, data))
    wire.put((time.monotonic() + delay, b""))


def deliver(wire: Wire, target: socket.socket) -> None:
    data = b"to begin with"
    while data:
        due, data = wire.get()
        if (early := due - time.monotonic()) > 0:
            time.sleep(early)
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def connect(near: socket.socket, target: int, delay: float) -> None:
    far = socket.create_connection(("127.0.0.1", target))
    for source, sink in ((near, far), (far, near)):
        sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire: Wire = queue.SimpleQueue()
        Thread(target=receive, args=(source, wire, delay), daemon=True).start()
        Thread(target=deliver, args=(wire, sink), daemon=True).start()


def serve(port: int, target: int, delay: float) -> None:
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            near, _address = server.accept()
            connect(near, target, delay)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
