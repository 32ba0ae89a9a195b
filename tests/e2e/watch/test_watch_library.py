#!/usr/bin/env python3
"""Events in a program: libsitewire.so in a foreign event loop, and over two brokers."""
import ctypes
import json
import os
import select
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import BUILD, LOCAL_SERVICES  # noqa: E402
from watch_test import WatchTest  # noqa: E402


class Event(ctypes.Structure):
    _fields_ = [("position", ctypes.c_int64), ("project", ctypes.c_char_p), ("project_sequence", ctypes.c_int64),
                ("deployment", ctypes.c_int64), ("kind", ctypes.c_char_p), ("at_us", ctypes.c_int64), ("payload", ctypes.c_char_p)]


EventFn = ctypes.CFUNCTYPE(None, ctypes.POINTER(Event), ctypes.c_void_p)


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("endpoints", ctypes.c_char_p), ("projects", ctypes.POINTER(ctypes.c_char_p)),
                ("project_count", ctypes.c_size_t), ("kinds", ctypes.c_char_p), ("deployment", ctypes.c_int64),
                ("cursor", ctypes.c_char_p), ("fn", EventFn), ("context", ctypes.c_void_p)]


class Library(WatchTest):
    """libsitewire.so in a foreign event loop, and over two brokers."""

    def setUp(self):
        super().setUp()
        self.library = ctypes.CDLL(os.path.join(BUILD, "lib", "libsitewire.so"))
        self.library.sw_watch_cursor.restype = ctypes.c_char_p
        self.client, self.watched, self.got = ctypes.c_void_p(), ctypes.c_void_p(), []
        self.on_event = EventFn(lambda event, _: self.got.append(
            {"project": event.contents.project.decode(), "project_sequence": event.contents.project_sequence,
             "payload": json.loads(event.contents.payload)}))

    def open(self, endpoints, events, cursor=None):
        error = ctypes.create_string_buffer(4096)
        names = (ctypes.c_char_p * len(self.projects))(*[project.encode() for project in self.projects])
        options = Options(size=ctypes.sizeof(Options), endpoints=events.encode(), projects=names, project_count=len(names),
                          cursor=cursor, fn=self.on_event)
        self.assertEqual(self.library.sw_client_open(endpoints.encode(), None, ctypes.byref(self.client), error), 0, error.raw[:200])
        self.assertEqual(self.library.sw_watch_open(self.client, ctypes.byref(options), ctypes.byref(self.watched), error), 0,
                         error.raw[:200])

    def close(self):
        self.library.sw_watch_close(ctypes.byref(self.watched))
        self.library.sw_client_close(ctypes.byref(self.client))

    def run_until(self, condition, what):
        """A loop that knows nothing but the descriptor."""
        fd = self.library.sw_watch_fd(self.watched)
        self.assertGreaterEqual(fd, 0)
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            if select.select([fd], [], [], 1)[0]:
                self.assertGreaterEqual(self.library.sw_watch_process(self.watched, 0), 0)

    def test_foreign_loop(self):
        self.open(self.system.ipc, self.system.events)
        self.run_until(lambda: self.library.sw_watch_is_ready(self.watched), "it is ready")
        self.emit(3000)
        self.run_until(lambda: len(self.got) == 3000, "all events")
        cursor = self.library.sw_watch_cursor(self.watched)
        self.close()
        self.emit(30)
        self.open(self.system.ipc, self.system.events, cursor)
        self.run_until(lambda: len(self.got) == 3030, "those since the cursor")
        self.check(self.got)
        self.close()

    def relay_only_when_woken(self):
        """Without the relay's look of each second."""
        function = "deployment.relay(boolean, integer)"
        self.sql(f"""DO $$ BEGIN
            EXECUTE regexp_replace(pg_get_functiondef('{function}'::regprocedure), '\\nBEGIN\\n',
                                   E'\\nBEGIN\\nIF NOT woken THEN RETURN; END IF;\\n');
            END $$""")
        self.assertIn("NOT woken", str(self.sql(f"SELECT pg_get_functiondef('{function}'::regprocedure)")))
        self.addCleanup(self.sql, f"""DO $$ BEGIN
            EXECUTE replace(pg_get_functiondef('{function}'::regprocedure), E'IF NOT woken THEN RETURN; END IF;\\n', '');
            END $$""")

    def test_calls_wake_the_relay(self):
        self.open(self.system.ipc, self.system.events)
        self.run_until(lambda: self.library.sw_watch_is_ready(self.watched), "it is ready")
        self.relay_only_when_woken()
        for _ in range(5):
            self.got.clear()
            thread = threading.Thread(target=self.deploy)
            thread.start()
            self.run_until(lambda: len(self.got) == 3, "its three events")
            thread.join()
        self.close()

    def test_closed_at_any_time(self):
        """Also while calls are under way, and events in its hands."""
        self.emit(3000)
        for rounds in range(30):
            self.open(self.system.ipc, self.system.events, b"0" if rounds % 2 else None)
            for _ in range(rounds):
                self.library.sw_watch_process(self.watched, 2)
            self.close()

    def test_two_brokers(self):
        """A service publishes to both; a watch goes on with the other one when its own is
        killed."""
        folder = self.system.folder
        ends = {name: f"ipc://{folder}/{name}-2" for name in ("front", "back", "events", "publish")}
        both = {name: f"{getattr(self.system, mine)},{ends[name]}" for name, mine in (
            ("front", "ipc"), ("back", "backend"), ("events", "events"), ("publish", "publish"))}

        def start_second():
            self.system.start("broker-2", "sitewire-broker", "--frontend", ends["front"], "--backend", ends["back"], "--events",
                              ends["events"], "--publish", ends["publish"], *self.system.caller, *LOCAL_SERVICES)
        start_second()
        for name in ("deployment-0", "user-0"):
            self.system.kill(name)
            service = name.partition("-")[0]
            self.system.start(name, f"sitewire-{service}", "--backend", both["back"], "--publish", both["publish"], "--database",
                              f"{self.system.postgres.conninfo} user=sitewire_{service}", "--instance", name)
        self.open(both["front"], both["events"], b"0")
        self.emit(300)
        self.run_until(lambda: len(self.got) == 300, "events by the first broker")
        for number, (gone, start) in enumerate((("broker", self.system.start_broker), ("broker-2", start_second)), 1):
            self.system.kill(gone)
            self.emit(300)
            self.run_until(lambda: len(self.got) == 300 + 600 * number - 300, "events by the other broker")
            start()
            self.emit(300)
            self.run_until(lambda: len(self.got) == 300 + 600 * number, "and when both are there")
        self.check(self.got)
        self.close()
        self.system.kill("broker-2")

del WatchTest

if __name__ == "__main__":
    unittest.main()
