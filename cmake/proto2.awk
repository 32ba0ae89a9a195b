# Turns a sitewire .proto file (proto3) into the view that protoc-c 1.4 compiles: proto2 with explicit
# presence, which has the same wire format, and the short C package name. Other languages use the originals.
# Relies on the layout of our files: fields of a message are indented by two spaces.
/^syntax/ { print "syntax = \"proto2\";"; next }
/^package sitewire/ {
    print
    print "import \"protobuf-c/protobuf-c.proto\";"
    print "option (pb_c_file).c_package = \"Sw\";"
    next
}
/^message / { in_message = 1 }
/^}/ { in_message = 0 }
in_message && /^  [A-Za-z.][A-Za-z0-9_.]* [a-z0-9_]+ = [0-9]+/ && !/^  (optional|repeated|reserved|option) / {
    sub(/^  /, "  optional ")
}
{ print }
