# The layer rule of docs/decisions.md: an #include goes down the layers, never up or sideways. Used by `./dev lint`:
#   awk -f tests/lint/layers.awk FILE...
BEGIN {
    may["base"] = "base proto"
    may["wire"] = "base wire proto"
    may["rpc"] = "base wire rpc proto"
    may["broker"] = "base wire rpc broker proto"
    may["store"] = "base wire rpc store proto"
    may["service"] = "base wire rpc store service proto"
    may["clients"] = "base wire proto"
    may["include"] = "public"
}

FNR == 1 {
    split(FILENAME, part, "/")
    layer = part[1] == "src" ? part[2] : part[1]
}

# Which layer a quoted or bracketed path belongs to; "" for the system's and for neighbours in the same folder.
function owner(path,    first) {
    first = path
    sub(/\/.*/, "", first)
    if (path ~ /\.pb-c\.h$/)
        return "proto"
    return path ~ /\// && first ~ /^(base|wire|rpc|broker|store|service)$/ ? first : ""
}

/^[ \t]*#[ \t]*include/ {
    path = $0
    sub(/^[^<"]*[<"]/, "", path)
    sub(/[>"].*/, "", path)
    to = owner(path)
    if ((path == "store/migrate.h" || path == "store/audit.h") && part[1] == "clients" && part[2] == "cli")
        next # `migrate`, `up` and `audit`
    if (path == "protobuf-c/protobuf-c.h")
        next
    if (to != "" && index(" " may[layer] " ", " " to " ") == 0) {
        printf "%s:%d: layer %s must not include %s\n", FILENAME, FNR, layer, path
        bad = 1
    }
}

END { exit bad }
