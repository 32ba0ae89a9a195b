/* How a server asks the kernel and the allocator to treat it. Used by the mains of broker and services. */
#ifndef SW_BASE_PROCESS_H
#define SW_BASE_PROCESS_H

/* For a process that serves: call it before any thread starts, as threads take it over. Never fails: what the system
 * refuses stays as it was. */
void sw_process_serve(void);

#endif
