/* accept4 for a broker that has no descriptors left: the one in reserve takes the connection, and hangs up.
 *
 * libzmq aborts there on ipc (an assertion of 4.3.4 that EMFILE does not happen), and on tcp asks again without pause, as the
 * connection stays in the queue. ECONNABORTED it passes over, and tells by ZMQ_EVENT_ACCEPT_FAILED. A program's own
 * symbol goes before the library's (as in interpose/getpid.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int reserve = -1;

static void refill(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1;
    if (fd >= 0 && !atomic_compare_exchange_strong(&reserve, &none, fd))
        close(fd);
}

__attribute__((constructor)) static void begin(void)
{
    refill();
}

__attribute__((visibility("default"))) int accept4(int listener, struct sockaddr *address, socklen_t *size,
                                                   int flags)
{
    int fd = (int)syscall(SYS_accept4, listener, address, size, flags);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    int spare = atomic_exchange(&reserve, -1);
    if (spare >= 0) {
        close(spare);
        fd = (int)syscall(SYS_accept4, listener, NULL, NULL, flags);
        if (fd >= 0)
            close(fd);
    }
    refill();
    errno = ECONNABORTED;
    return -1;
}
