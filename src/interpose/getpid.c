/* getpid from memory, for programs that live on ZeroMQ and do not fork: broker and services, which link this object.
 *
 * libzmq asks who it is before each look into a mailbox, to notice a fork, and glibc has asked the kernel each time since
 * 2.25: forty system calls for one call through broker and service. A program's own symbol goes before the library's. A
 * child of fork asks anew. */
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
