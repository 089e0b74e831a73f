"""The server of a page in a thread, for tests that need its real address."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from minigan.explore.explorer import Explorer
from minigan.explore.serving import make_server, open_port


@contextmanager
def served(explorer: Explorer) -> Iterator[int]:
    """Serve an explorer's page within the block, at the port that it gives."""
    with open_port(0) as listener:
        server = make_server(explorer)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive()
