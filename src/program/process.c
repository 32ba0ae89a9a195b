/* How a process begins (process.h). */
#include "program/process.h"
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

static const int kept_bytes = 4 * 1024 * 1024;

/* A call goes from thread to thread. With the usual policy, a thread that wakes the next one on the
 * same core is preempted by it at once. A batch thread first does the little that is left to do.
 * That saves every fourth context switch. Idle cores take a woken thread as before.
 *
 * A large reply is several blocks that live for one call. If their pages went back to the kernel,
 * the next reply would fault them in again. */
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

void sw_process_keep_private(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void sw_process_allow_core_dumps(void)
{
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
