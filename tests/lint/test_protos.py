#!/usr/bin/env python3
"""Each kind of break in a .proto is found, additions are none, and a reason allows one break
only."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import protos  # noqa: E402

BASE = """syntax = "proto3";
package p;
message User {
  string email = 1;
  int32 age = 2;
  optional string name = 3;
  repeated string keys = 4;
  oneof choice {
    string a = 5;
    string b = 6;
  }
  message Inner { bool x = 1; }
  Inner inner = 7;
}
enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_ONE = 1;
}
service Users {
  rpc Get(User) returns (User) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Watch(User) returns (stream User);
}
"""
BREAKS = (  # what changes, what it becomes, and the elements that are found broken
    ("string email = 1;", "", ["field p.User.email"]),
    ("string email = 1;", "string mail = 1;", ["field p.User.email"]),
    ("string email = 1;", "string email = 8;", ["field p.User.email"]),
    ("string email = 1;", "bytes email = 1;", ["field p.User.email"]),
    ("int32 age = 2;", "int64 age = 2;", ["field p.User.age"]),
    ("int32 age = 2;", "repeated int32 age = 2;", ["field p.User.age"]),
    ("int32 age = 2;", 'int32 age = 2 [json_name = "years"];', ["field p.User.age"]),
    ("optional string name", "string name", ["field p.User.name"]),
    ("repeated string keys", "string keys", ["field p.User.keys"]),
    ("    string b = 6;\n  }", "  }\n  string b = 6;", ["field p.User.b"]),
    ("Inner inner = 7;", "User inner = 7;", ["field p.User.inner"]),
    ("bool x = 1;", "", ["field p.User.Inner.x"]),
    ("KIND_ONE = 1;", "", ["value p.Kind.KIND_ONE"]),
    ("KIND_ONE = 1;", "KIND_ONE = 2;", ["value p.Kind.KIND_ONE"]),
    ("KIND_ONE = 1;", "KIND_FIRST = 1;", ["value p.Kind.KIND_ONE"]),
    ("enum Kind", "enum Sort", ["enum p.Kind", "value p.Kind.KIND_UNSPECIFIED", "value p.Kind.KIND_ONE"]),
    ("rpc Watch(User) returns (stream User);", "", ["method p.Users.Watch"]),
    ("(stream User)", "(User)", ["method p.Users.Watch"]),
    ("Watch(User)", "Watch(stream User)", ["method p.Users.Watch"]),
    ("Watch(User)", "Watch(User.Inner)", ["method p.Users.Watch"]),
    (" { option idempotency_level = NO_SIDE_EFFECTS; }", ";", ["method p.Users.Get"]),
    ("service Users", "service People", ["service p.Users", "method p.Users.Get", "method p.Users.Watch"]),
)
ADDITIONS = (
    ("int32 age = 2;", "int32 age = 2; int32 size = 9;"),
    ("KIND_ONE = 1;", "KIND_ONE = 1; KIND_TWO = 2;"),
    ("service Users {", "message New { int32 a = 1; }\nservice Users {\n  rpc New(User) returns (User);"),
    ("message User {", "// The order and comments may change.\nmessage User {"),
)


def compiled(text):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "p.proto"), "w", encoding="utf-8") as file:
            file.write(text)
        return protos.describe(protos.compile_protos(folder, ["p.proto"]))


def changed(old, new, text=BASE):
    assert text.count(old) == 1, old
    return compiled(text.replace(old, new))


class Protos(unittest.TestCase):
    def setUp(self):
        self.record = protos.parse(protos.write(compiled(BASE), {}))

    def test_record_is_complete(self):
        self.assertEqual(self.record, (compiled(BASE), {}))
        self.assertEqual(protos.refused(self.record, compiled(BASE), {}), [])

    def test_breaks(self):
        for old, new, names in BREAKS:
            with self.subTest(f"{old} -> {new}"):
                found = [name for name, _, _ in protos.refused(self.record, changed(old, new), {})]
                self.assertEqual(sorted(found), sorted(names))

    def test_additions(self):
        for old, new in ADDITIONS:
            with self.subTest(new):
                self.assertEqual(protos.refused(self.record, changed(old, new), {}), [])

    def test_reason_allows_one_break(self):
        without = changed("string email = 1;", "")
        (one,) = protos.refused(self.record, without, {})
        allowed = protos.parse(protos.write(without, {one: "nobody has mail any more"}))
        self.assertEqual(protos.refused(self.record, without, allowed[1]), [])
        self.assertEqual(protos.refused(allowed, without, allowed[1]), [])
        other = changed("string email = 1;", "bytes email = 1;")
        self.assertEqual(len(protos.refused(self.record, other, allowed[1])), 1)

    def test_number_of_a_removed_field_is_not_used_again(self):
        without = changed("string email = 1;", "")
        (one,) = protos.refused(self.record, without, {})
        allowed = protos.parse(protos.write(without, {one: "nobody has mail any more"}))
        reused = protos.refused(allowed, changed("string email = 1;", "bytes phone = 1;"), allowed[1])
        self.assertEqual([name for name, _, _ in reused], ["field p.User.phone"])
        self.assertEqual(protos.refused(allowed, changed("string email = 1;", "bytes phone = 8;"), allowed[1]), [])


if __name__ == "__main__":
    unittest.main()
