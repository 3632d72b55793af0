"""Who calls, when, and what came back? Calls go out at their time, whatever has become of those before."""

import select
import socket
import sys
import threading
import time
from dataclasses import dataclass

# Open connections to one gateway; a call that would need more is not made, and counts as lost.
MOST = 200
# A call without an answer for so long is lost.
PATIENCE_S = 5.0
# Calls that go out later than this are not those that were planned.
LATE_S = 0.02


@dataclass(slots=True)
class Call:
    due: float         # seconds since the Unix epoch
    gateway: int
    stream: str        # whose limit it falls under
    request: bytes
    sent: float = 0.0
    done: float = 0.0
    status: int = 0    # 0: lost


class Caller:
    """Open-loop calls over kept connections. `send` and `call.done` are read just before the system call that
    sends and just after the one that receives: a gateway has decided in between."""

    def __init__(self, ports):
        self.ports = list(ports)
        self.idle = [[] for _ in self.ports]
        self.open = [0] * len(self.ports)
        self.waiting = {}
        self.epoll = select.epoll()
        # Who is down is called no more: as a load balancer would have it.
        self.down = set()

    def run(self, calls, events=()):
        """Makes `calls`, which are in order of their time, and does `events` (time, what) in between, each in a thread of
        its own."""
        events = sorted(events, key=lambda event: event[0])
        threads = [threading.Timer(max(0.0, at - time.time()), do) for at, do in events]
        for thread in threads:
            thread.start()
        number, last = 0, calls[-1].due + PATIENCE_S
        while number < len(calls) or (self.waiting and time.time() < last):
            now = time.time()
            while number < len(calls) and calls[number].due <= now:
                self._send(calls[number])
                number += 1
            pause = calls[number].due - time.time() if number < len(calls) else 0.05
            for fd, _ in self.epoll.poll(max(0.0, pause), 256):
                self._receive(fd)
        for fd in list(self.waiting):
            self._lose(fd)
        for thread in threads:
            thread.join()
        late = sorted(call.sent - call.due for call in calls if call.sent)
        if late and late[int(0.99 * len(late))] > LATE_S:
            print(f"the machine was busy: a hundredth of the calls went out {1000 * late[int(0.99 * len(late))]:.0f} ms late", file=sys.stderr)
        return calls

    def _send(self, call):
        gateway = self._up(call.gateway)
        call.gateway = gateway
        while True:
            link = self.idle[gateway].pop() if self.idle[gateway] else self._connect(gateway)
            if link is None:
                return
            call.sent = time.time()
            try:
                link.send(call.request)
            except OSError:
                self._close(link, gateway)
                if gateway in self.down:
                    return
                continue
            self.waiting[link.fileno()] = (call, link)
            return

    def _up(self, gateway):
        for step in range(len(self.ports)):
            at = (gateway + step) % len(self.ports)
            if at not in self.down:
                return at
        return gateway

    def _connect(self, gateway):
        if self.open[gateway] >= MOST:
            return None
        try:
            link = socket.create_connection(("127.0.0.1", self.ports[gateway]), 1)
        except OSError:
            return None
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open[gateway] += 1
        self.epoll.register(link.fileno(), select.EPOLLIN | select.EPOLLET)
        return link

    def _receive(self, fd):
        call, link = self.waiting.get(fd, (None, None))
        if link is None:
            return
        # Heads are small and bodies of a hundred bytes: they come in one piece.
        try:
            answer = link.recv(16384)
        except OSError:
            answer = b""
        call.done = time.time()
        if not answer.startswith(b"HTTP/1.1 "):
            return self._lose(fd)
        call.status = int(answer[9:12])
        del self.waiting[fd]
        if b"onnection: close" in answer[:512]:
            self._close(link, call.gateway)
        else:
            self.idle[call.gateway].append(link)

    def _lose(self, fd):
        call, link = self.waiting.pop(fd)
        self._close(link, call.gateway)

    def _close(self, link, gateway):
        self.open[gateway] -= 1
        link.close()

    def lose(self, gateway):
        """Calls it no more."""
        self.down.add(gateway)
        links, self.idle[gateway] = self.idle[gateway], []
        self.open[gateway] -= len(links)
        for link in links:
            link.close()

    def found(self, gateway, port=None):
        """Calls it again, or for the first time."""
        if gateway == len(self.ports):
            # The port last: who has one is called.
            self.idle.append([])
            self.open.append(0)
            self.ports.append(port)
        self.down.discard(gateway)

    def close(self):
        for links in self.idle:
            for link in links:
                link.close()
        self.epoll.close()


def plan(streams, requests, rates, start, seconds, place):
    """The calls of all streams, in the order of their time: each evenly at its rate. `place(stream's number, seconds
    since the start)` says which gateway gets one."""
    calls = []
    for offset, stream in enumerate(streams):
        rate = rates[stream]
        shift = offset / len(streams) / rate
        for number in range(int(seconds * rate)):
            after = number / rate + shift
            calls.append(Call(start + after, place(number, after), stream, requests[stream]))
    calls.sort(key=lambda call: call.due)
    return calls


def even(gateways):
    return lambda number, after: number % gateways


def skewed(gateways):
    """Nine of ten to one, the tenth in turns to the others."""
    return lambda number, after: 0 if number % 10 or gateways == 1 else 1 + (number // 10) % (gateways - 1)


def flipping(gateways, every=2.0):
    """Nine of ten to one, which is another one every two seconds."""
    def place(number, after):
        hot = int(after / every) % gateways
        return hot if number % 10 or gateways == 1 else (hot + 1 + (number // 10) % (gateways - 1)) % gateways
    return place


LOADS = {"even": even, "90-10": skewed, "hot-flip": flipping}
