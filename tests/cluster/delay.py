"""A forwarder of TCP connections that holds every byte back for some time, in both directions: a
network far away, for kernels without netem."""
import asyncio
import threading


class Delay:
    """One forwarder for each of the hosts, on the switch. `endpoints` is what clients connect
    to."""

    def __init__(self, centre, names, port, seconds):
        self.seconds, self.loop = seconds, asyncio.new_event_loop()
        self.targets = [(centre.host(name).address, port) for name in names]
        self.endpoints, self.thread = "", threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        ports = asyncio.run_coroutine_threadsafe(self.listen(), self.loop).result(30)
        self.endpoints = ",".join(f"tcp://10.77.0.1:{port}" for port in ports)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def listen(self):
        servers = [await asyncio.start_server(self.accepting(target), "10.77.0.1", 0) for target in self.targets]
        return [server.sockets[0].getsockname()[1] for server in servers]

    def accepting(self, target):
        async def accept(reader, writer):
            far_reader, far_writer = await asyncio.open_connection(*target)
            await asyncio.gather(self.copy(reader, far_writer), self.copy(far_reader, writer))
        return accept

    async def copy(self, reader, writer):
        """Each piece leaves `seconds` after it has come; pieces do not wait for each other."""
        queue = asyncio.Queue(1000)

        async def send():
            while (item := await queue.get()) is not None:
                await asyncio.sleep(max(0, item[0] - self.loop.time()))
                writer.write(item[1])
                await writer.drain()
        sender = asyncio.ensure_future(send())
        try:
            while piece := await reader.read(65536):
                await queue.put((self.loop.time() + self.seconds, piece))
            await queue.put(None)
            await sender
        except ConnectionError:
            sender.cancel()
        writer.close()
