/* Runs a statement that may have to wait, and says what it waits for. Blocking. Used by
 * migrate.c. */
#ifndef SW_STORE_PATIENT_H
#define SW_STORE_PATIENT_H

#include <libpq-fe.h>

/* `what` lives during the callback. */
typedef void sw_patient_fn(void *context, const char *what);

typedef struct sw_patient {
    PGconn *conn;
    const char *conninfo; /* for a second connection, which looks at the first; may be NULL */
    sw_patient_fn *fn;    /* called once for each different thing that is waited for */
    void *context;
} sw_patient;

/* As PQexec. After a second, and each second from then on, looks what it waits for: locks of other
 * sessions, or a synchronous standby. */
PGresult *sw_patient_exec(const sw_patient *patient, const char *sql);

#endif
