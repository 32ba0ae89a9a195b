"""Creates that share a commit: each gets the answer that it would get alone, and what failed leaves
no trace."""
import collections
import os
import sys
import unittest

import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from sitewire_test import System  # noqa: E402
from sitewire.referential.v1 import referential_pb2 as pb  # noqa: E402
from sitewire.rpc.v1 import rpc_pb2  # noqa: E402

METHODS = "/sitewire.referential.v1.Referential/"
OK, INVALID, EXISTS, PRECONDITION = 0, 3, 6, 9
CALLS = 240


def request(number):
    """Method, request and the status that belongs to it; None where a twin decides which of both it
    is."""
    kind, code = number % 6, f"site{number}.example"
    if kind == 0:
        return "CreateDocroot", pb.CreateDocrootRequest(docroot=pb.Docroot(code=code, hosting_provider="nobody")), PRECONDITION
    if kind == 1:
        return "CreateWebsite", pb.CreateWebsiteRequest(website=pb.Website(code="not a code")), INVALID
    if kind in (2, 3):
        twin = f"site{number - number % 2}.example"
        return "CreateWebsite", pb.CreateWebsiteRequest(website=pb.Website(code=twin)), None
    return "CreateWebsite", pb.CreateWebsiteRequest(website=pb.Website(code=code)), OK


class Creates(unittest.TestCase):
    def test_neighbours_that_fail(self):
        with System() as system:
            socket = zmq.Context.instance().socket(zmq.DEALER)
            socket.linger = 0
            socket.connect(system.ipc)
            for number in range(1, CALLS + 1):
                method, body, _ = request(number)
                header = rpc_pb2.CallHeader(method=METHODS + method, call_id=number, time_left_ms=30000)
                socket.send_multipart([b"MDPC02", b"\x01", METHODS[1:-1].encode(), header.SerializeToString(),
                                       body.SerializeToString()])
            codes, twins = {}, collections.Counter()
            while len(codes) < CALLS:
                self.assertTrue(socket.poll(35000), f"{CALLS - len(codes)} calls without an answer")
                reply = rpc_pb2.ReplyHeader.FromString(socket.recv_multipart()[3])
                self.assertNotIn(reply.call_id, codes)
                codes[reply.call_id] = reply.code
            socket.close()
            def values(query):
                return [row if isinstance(row, str) else row[0] for row in system.sql(query)]

            good = set()
            for number in range(1, CALLS + 1):
                _, body, expected = request(number)
                if expected is None:
                    twins[body.website.code, codes[number]] += 1
                    good.add(body.website.code)
                else:
                    self.assertEqual(codes[number], expected, f"call {number}")
                    if expected == OK:
                        good.add(body.website.code)
            for code in {code for code, _ in twins}:
                self.assertEqual((twins[code, OK], twins[code, EXISTS]), (1, 1), code)
            self.assertEqual(set(values("SELECT code FROM referential.website")), good)
            self.assertEqual(values("SELECT count(*) FROM referential.docroot"), ["0"])
            recorded = values("SELECT key FROM users.change WHERE resource = 'Website'")
            self.assertEqual(sorted(recorded), sorted(good), "one line of history for each, and none for what failed")
            calls = values("SELECT count(DISTINCT call_id) FROM users.change WHERE resource = 'Website'")
            self.assertEqual(calls, [str(len(good))], "each with the call that it came by")


if __name__ == "__main__":
    unittest.main()
