"""A line between client and meter that is cut, slow, or says things twice, as a test asks."""

import socket
import threading


class CuttingProxy(threading.Thread):
    """Passes octets on to a port. cuts: after how many octets from the client each connection ends; none is whole.

    connections: how many were made.
    """

    def __init__(self, port, cuts=()):
        super().__init__(daemon=True)
        self.target = ("127.0.0.1", port)
        self.cuts = list(cuts)
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.links = []
        self.workers = []

    @property
    def address(self):
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            self.end(link)
            link.close()
        for worker in (self, *self.workers):
            worker.join(5)

    @staticmethod
    def end(link):
        try:
            link.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            cut = self.cuts.pop(0) if self.cuts else None
            meter = socket.create_connection(self.target)
            self.links += [client, meter]
            for source, target, limit in ((client, meter, cut), (meter, client, None)):
                worker = threading.Thread(target=self.pass_on, args=(source, target, limit), daemon=True)
                self.workers.append(worker)
                worker.start()

    def pass_on(self, source, target, limit):
        passed = 0
        try:
            while octets := source.recv(4096):
                if limit is not None and passed + len(octets) > limit:
                    target.sendall(octets[: limit - passed])
                    break
                passed += len(octets)
                target.sendall(octets)
        except OSError:
            return
        finally:
            self.end(source)
            self.end(target)
