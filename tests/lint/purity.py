"""The broker's core is pure: it gets the time and returns actions. It reads no header of a socket,
clock or log."""
import re

from common import Finding, built

IMPURE = re.compile(r"(^src/(net|cert|rpc|broker/(io|auth))/"
                    r"|^src/base/(clock|log|notify|process|program|option|private_file|keyring)\.h$"
                    r"|/(zmq|czmq|poll|unistd|pthread|signal|fcntl|stdio|time|threads|syslog|netdb)\.h$"
                    r"|/sys/(socket|time|un|epoll|eventfd|timerfd|signalfd|ioctl|uio|mman)\.h$"
                    r"|/(netinet|arpa|net)/)")


def check():
    for path, (_, read) in sorted(built().items()):
        if path.startswith("src/broker/core/"):
            for name in read[1:]:
                if IMPURE.search(name):
                    yield Finding(path, f"{path} {name}", f"reads {name}, perhaps through another header: the core has no "
                                  "socket, clock or log; return an action, or take the time as an argument")
