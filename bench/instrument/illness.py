"""What does a backend do that is sick, and how is it called? A program of its own, on the load's core.

    illness.py serve PORT...       each illness on a port of its own
    illness.py call PORT NAME      calls /NAME/v1/x at the gateway on PORT until it is ended
"""

import asyncio
import socket
import struct
import sys

CALLERS, PAUSE = 20, 0.2


async def _heard(reader, writer):
    await reader.readuntil(b"\r\n\r\n")


async def _rest(reader, writer):
    while await reader.read(65536):
        pass


async def _well(reader, writer):
    await _heard(reader, writer)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await _rest(reader, writer)


async def _blackhole(reader, writer):
    await _rest(reader, writer)


async def _deaf(reader, writer):
    # What is not read fills the buffers and then nothing moves.
    writer.transport.pause_reading()
    await asyncio.sleep(5)


async def _halfopen(reader, writer):
    await _heard(reader, writer)
    writer.write_eof()
    await _rest(reader, writer)


async def _dies(reader, writer):
    await _heard(reader, writer)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await writer.drain()


async def _resets(reader, writer):
    await _heard(reader, writer)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _garbage(reader, writer):
    await _heard(reader, writer)
    writer.write(bytes([0x16, 3, 1, 0, 200, 1, 2, 3]))
    await _rest(reader, writer)


async def _flood(reader, writer):
    await _heard(reader, writer)
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
        await writer.drain()


async def _early(reader, writer):
    await reader.read(1)
    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    writer.write_eof()
    await _rest(reader, writer)


# Who is well shows what more calls cost by themselves.
ALL = {"well": _well, "blackhole": _blackhole, "deaf": _deaf, "halfopen": _halfopen, "dies": _dies, "resets": _resets,
       "garbage": _garbage, "flood": _flood, "early": _early}


def _suffering(illness):
    async def suffer(reader, writer):
        try:
            await illness(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
    return suffer


async def serve(ports):
    servers = [await asyncio.start_server(_suffering(illness), "127.0.0.1", port)
               for port, illness in zip(ports, ALL.values())]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def call(port, name):
    """Says a line once all callers have called: until then this program is busy with itself."""
    body, called = b"x" * 1000, 0

    async def caller():
        nonlocal called
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"POST /{name}/v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
                             f"content-length: {len(body)}\r\n\r\n".encode() + body)
                await _rest(reader, writer)
                writer.close()
            except OSError:
                pass
            called += 1
            if called == CALLERS:
                print("calling", flush=True)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


if __name__ == "__main__":
    what, *said = sys.argv[1:]
    asyncio.run(serve(map(int, said)) if what == "serve" else call(int(said[0]), said[1]))
