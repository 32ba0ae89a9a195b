# The layers of ARCHITECTURE.md: an #include goes down, never up or sideways. Used by `./dev lint`:
#   awk -f tests/lint/layers.awk FILE...
BEGIN {
    may["base"] = "base proto"
    may["wire"] = "base wire proto"
    may["net"] = "base wire net proto"
    may["cert"] = "base wire net cert proto"
    may["rpc"] = "base wire rpc proto"
    may["worker"] = "base wire net rpc worker proto"
    may["broker"] = "base wire net cert rpc broker proto"
    may["store"] = "base wire net rpc store proto"
    may["service"] = "base wire net rpc worker store service proto"
    may["c"] = "base wire net c proto"
    may["cli"] = "base wire net cert c cli proto"
    may["runner"] = "base wire net c runner proto"
    may["include"] = "public"
}

FNR == 1 {
    split(FILENAME, part, "/")
    layer = part[1] == "src" || part[1] == "clients" ? part[2] : part[1]
}

# Which layer a quoted or bracketed path belongs to; "" for the system's and for neighbours in the same folder.
function owner(path,    first) {
    first = path
    sub(/\/.*/, "", first)
    if (path ~ /\.pb-c\.h$/)
        return "proto"
    return path ~ /\// && first in may ? first : ""
}

/^[ \t]*#[ \t]*include/ {
    path = $0
    sub(/^[^<"]*[<"]/, "", path)
    sub(/[>"].*/, "", path)
    to = owner(path)
    if ((path == "store/pg/migrate.h" || path == "store/audit.h") && layer == "cli")
        next # `migrate`, `up` and `audit`
    if (path == "protobuf-c/protobuf-c.h")
        next
    if (to != "" && index(" " may[layer] " ", " " to " ") == 0) {
        printf "%s:%d: layer %s must not include %s\n", FILENAME, FNR, layer, path
        bad = 1
    }
}

END { exit bad }
