/* accept4 for a broker that has no descriptors left: frees a reserved one, accepts the connection
 * with it and closes the connection.
 *
 * Without this, libzmq 4.3.4 aborts on ipc (it asserts that EMFILE does not happen), and on tcp
 * tries again without a pause, because the connection stays in the queue. It handles ECONNABORTED:
 * it continues and reports ZMQ_EVENT_ACCEPT_FAILED. A symbol of the program takes precedence over
 * the library's. */
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
