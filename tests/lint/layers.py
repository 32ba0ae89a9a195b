"""An #include goes down the layers that ARCHITECTURE.md draws, never up or sideways."""
import os

from common import Finding, includes, our_c, resolve

# Each folder, and those whose headers it may include besides its own. `proto` is what protobuf-c
# generates.
ABOVE_BASE = {"include/sitewire", "src/base", "proto"}
ABOVE_WIRE = ABOVE_BASE | {"src/wire"}
ABOVE_NET = ABOVE_WIRE | {"src/net"}
ABOVE_CLIENT = ABOVE_NET | {"clients/c/json", "clients/c/probe", "clients/c", "clients/c/watch"}
ABOVE_RUN = ABOVE_BASE | {"src/program", "src/net", "clients/c/json", "clients/c/probe", "clients/c", "clients/cli/run"}
ABOVE_SCHEMA = ABOVE_RUN | {"clients/cli/term", "clients/cli/schema"}
ABOVE_REGISTRY = ABOVE_SCHEMA | {"clients/cli/registry"}
MAY = {
    "include/sitewire": set(),
    "src/base": {"include/sitewire", "proto"},
    "src/program": ABOVE_BASE,
    "src/wire": ABOVE_BASE,
    "src/net": ABOVE_WIRE,
    "src/listen": ABOVE_NET,
    "src/cert": ABOVE_NET,
    "src/rpc": ABOVE_WIRE,
    "src/worker": ABOVE_NET | {"src/rpc"},
    "src/interpose": set(),
    "src/broker/core": ABOVE_WIRE - {"proto"},
    "src/broker/auth": ABOVE_NET | {"src/listen", "src/cert", "src/broker", "src/broker/core"},
    "src/broker/io": ABOVE_NET | {"src/listen", "src/cert", "src/rpc", "src/broker", "src/broker/core", "src/broker/auth"},
    "src/broker": ABOVE_NET | {"src/program", "src/listen", "src/cert", "src/broker/core", "src/broker/auth", "src/broker/io"},  # options.h at the bottom, main.c on top
    "src/store/pg": ABOVE_NET,
    "src/store/bind": ABOVE_WIRE | {"src/store/pg"},
    "src/store": ABOVE_NET | {"src/rpc", "src/worker", "src/store/pg", "src/store/bind"},
    "src/service": ABOVE_NET | {"src/program", "src/rpc", "src/worker", "src/store", "src/store/pg", "src/store/bind"},
    "clients/c/json": ABOVE_WIRE,
    "clients/c/probe": ABOVE_NET,
    "clients/c": ABOVE_NET | {"clients/c/json", "clients/c/probe"},
    "clients/c/watch": ABOVE_NET | {"clients/c/json", "clients/c/probe", "clients/c"},
    "clients/cli/run": ABOVE_RUN,
    "clients/cli/term": {"include/sitewire", "src/base", "clients/cli/run"},
    "clients/cli/schema": ABOVE_SCHEMA,
    "clients/cli/registry": ABOVE_REGISTRY,
    "clients/cli/rows": ABOVE_SCHEMA,
    "clients/cli/import": ABOVE_REGISTRY | {"clients/cli/rows"},
    "clients/cli/deploy": ABOVE_REGISTRY,
    "clients/cli/system": ABOVE_REGISTRY | {"src/cert", "src/store", "src/store/pg", "clients/enroll"},  # `migrate`, `up`, `audit`, `key`
    "clients/cli/app": ABOVE_REGISTRY | {"clients/cli/import", "clients/cli/deploy", "clients/cli/system"},
    "clients/enroll": ABOVE_CLIENT | {"src/cert"},
    "clients/runner": ABOVE_CLIENT | {"src/program", "clients/enroll"},
}


def layer_of(name):
    if name.endswith(".pb-c.h"):
        return "proto"
    path = resolve(name)
    return os.path.dirname(path) if path else None


def check():
    for path in our_c():
        own = os.path.dirname(path)
        if own not in MAY:
            yield Finding(path, own, f"{own} has no layer; give it a row in tests/lint/layers.py and in ARCHITECTURE.md")
            continue
        for number, name in includes(path):
            layer = layer_of(name)
            if layer not in MAY[own] | {own, None}:
                yield Finding(f"{path}:{number}", f"{path} {name}", f"{own} is not above {layer}: move what both need "
                              "down, or let the lower one report through a callback")
