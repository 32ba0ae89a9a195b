/* How a process begins (process.h). */
#include "program/process.h"
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <unistd.h>

static const int kept_bytes = 4 * 1024 * 1024;

/* A call goes from thread to thread. With the usual policy, a thread that wakes the next one on the
 * same core is put aside for it at once, although it has only to say that it waits; a batch thread
 * finishes first. That saves every fourth context switch. Idle cores take a woken thread as before.
 *
 * A large reply is several blocks that live for one call. Given back to the kernel, their pages
 * would be faulted in and zeroed again for the next one. */
void sw_process_serve(void)
{
    struct sched_param none = {0};
    sched_setscheduler(0, SCHED_BATCH, &none);
    mallopt(M_TRIM_THRESHOLD, kept_bytes);
    mallopt(M_MMAP_THRESHOLD, kept_bytes / 4);
}

void sw_process_hold_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        /* open takes the lowest number, which is this one as long as it has not failed for one
         * below. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return;
}
