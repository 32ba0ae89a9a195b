/* getpid that remembers its answer, for the broker and the services, which link this object.
 *
 * libzmq calls getpid before each look into a mailbox, to notice a fork, and glibc has made a
 * system call of it since version 2.25: forty of them for one call through broker and service. A
 * symbol of the program takes precedence over the library's. A child of fork asks the kernel
 * again. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int known;
static bool forks_are_seen;

static void forget(void)
{
    atomic_store_explicit(&known, 0, memory_order_relaxed);
}

__attribute__((constructor)) static void watch_forks(void)
{
    forks_are_seen = pthread_atfork(NULL, NULL, forget) == 0;
}

__attribute__((visibility("default"))) pid_t getpid(void)
{
    pid_t pid = atomic_load_explicit(&known, memory_order_relaxed);
    if (pid != 0)
        return pid;
    pid = (pid_t)syscall(SYS_getpid);
    if (forks_are_seen)
        atomic_store_explicit(&known, pid, memory_order_relaxed);
    return pid;
}
