/* Keeps the head of the history's chain outside of the database: once an hour, it is logged and, if
 * options say so, appended to a file and given to a program. Whoever alters sealed history later
 * cannot alter these. Used by main.c for sitewire-user. One thread. */
#ifndef SW_SERVICE_SEAL_HEAD_H
#define SW_SERVICE_SEAL_HEAD_H

#include "net/loop.h"
#include "store/store.h"
#include <sys/types.h>

#define SW_SEAL_COMMAND_MS 30000 /* a program that takes longer is killed */

typedef struct sw_seal_head {
    const char *file;    /* appended to, made with mode 0600; "": none */
    const char *command; /* path of a program, run with POSITION:HASH as its argument; "": none */
    int64_t every_ms;
    /* private */
    sw_timer *timer;
    pid_t running; /* the program, or 0 */
    int64_t kill_ms;
    char last[96]; /* the head that was kept last */
} sw_seal_head;

/* Set the options first; everything else starts as zero. Call before sw_store_start; the head
 * outlives the store. */
sw_code sw_seal_head_open(sw_seal_head *head, sw_loop *loop, sw_store *store, sw_error *error);
/* Ends a program that runs. */
void sw_seal_head_close(sw_seal_head *head);

#endif
