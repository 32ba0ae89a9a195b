/* The output of a deployment, a page at a time. Used by what follows one, and by what reads it to its end. */
#ifndef SW_CLI_DEPLOY_LOG_READER_H
#define SW_CLI_DEPLOY_LOG_READER_H

#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <sitewire/client.h>

/* Start from zeros, with client, deployment, command and offset. */
typedef struct sw_log_reader {
    sw_client *client; /* lent; closed, and NULL, if the reader ends while it reads */
    int64_t deployment;
    int32_t command;           /* of this one only; 0: of all */
    int64_t offset;            /* what is before it was taken */
    bool reading;              /* a read is under way; the client works on it */
    Sw__ReadLogResponse *page; /* read, not taken yet */
    int64_t again_us;          /* no read before that: the last one failed, or there was nothing */
    sw_error error;            /* of the last read */
    bool hopeless;             /* trying again is of no use */
} sw_log_reader;

/* Reads on, at most so many bytes, if nothing is under way or waits to be taken. */
void sw_log_reader_start(sw_log_reader *reader, int64_t most);
/* The page that was read, which the caller frees; what comes next begins behind it. NULL: there is none. */
Sw__ReadLogResponse *sw_log_reader_take(sw_log_reader *reader);
void sw_log_reader_close(sw_log_reader *reader);

#endif
