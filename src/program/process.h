/* How a process begins: its standard descriptors, who may look into it, and what a server asks of
 * the kernel and the allocator. Used by the mains. */
#ifndef SW_PROGRAM_PROCESS_H
#define SW_PROGRAM_PROCESS_H

/* For a process that serves: call it before any thread starts, as threads take it over. Never
 * fails: what the system refuses stays as it was. */
void sw_process_serve(void);

/* Call it first. Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed, so that no
 * socket gets its number and receives what is printed. Reading or writing it still fails with
 * EBADF. Without /dev/null they stay closed. */
void sw_process_hold_standard(void);

/* Nobody but root can read the memory of this process, with a debugger or in a core dump: it holds
 * keys and secrets. Executing a program ends this. */
void sw_process_keep_private(void);
/* Undoes it, for those who look for a fault. */
void sw_process_allow_core_dumps(void);

#endif
