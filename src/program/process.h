/* How a process begins: its standard descriptors, and what a server asks of the kernel and the
 * allocator. Used by the mains. */
#ifndef SW_BASE_PROCESS_H
#define SW_BASE_PROCESS_H

/* For a process that serves: call it before any thread starts, as threads take it over. Never
 * fails: what the system refuses stays as it was. */
void sw_process_serve(void);

/* First of all: of descriptors 0, 1 and 2 those that are closed are taken, so that no socket gets
 * their number and hears what is printed. Reading or writing them goes on failing with EBADF.
 * Without /dev/null they stay closed. */
void sw_process_hold_standard(void);

#endif
