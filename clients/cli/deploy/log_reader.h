/* Reads the output of a deployment page by page. Used by follow.c. */
#ifndef SW_CLI_DEPLOY_LOG_READER_H
#define SW_CLI_DEPLOY_LOG_READER_H

#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <sitewire/client.h>

/* Set client, deployment, command and offset; everything else starts as zero. */
typedef struct sw_log_reader {
    sw_client *client; /* lent; closed and set to NULL if the reader is closed while it reads */
    int64_t deployment;
    int32_t command;           /* output of this command only; 0: of all */
    int64_t offset;            /* output before this byte was taken */
    bool reading;              /* a call is in progress; the client must be processed */
    Sw__ReadLogResponse *page; /* read, not yet taken */
    int64_t again_us;          /* the last read failed or found nothing: wait until then */
    sw_error error;            /* of the last read */
    bool hopeless;             /* retrying is useless */
} sw_log_reader;

/* Starts a read of at most `most` bytes, unless one is in progress or its page is not yet taken. */
void sw_log_reader_start(sw_log_reader *reader, int64_t most);
/* The page that was read; the caller frees it. Reading continues after it. NULL: none. */
Sw__ReadLogResponse *sw_log_reader_take(sw_log_reader *reader);
void sw_log_reader_close(sw_log_reader *reader);

#endif
