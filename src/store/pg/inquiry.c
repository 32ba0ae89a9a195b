/* One question about the session of another lane (inquiry.h). */
#include "store/pg/inquiry.h"
#include "store/pg/sql.h"
#include <stdlib.h>

enum { PARAMETERS = 3 };

static const Oid types[PARAMETERS] = {SW_OID_INT4, SW_OID_TIMESTAMPTZ, SW_OID_BOOL};
static const char text[] =
    "SELECT coalesce(a.wait_event = 'SyncRep', false), "
    "CASE WHEN $3 AND a.wait_event IS DISTINCT FROM 'SyncRep' THEN pg_cancel_backend(a.pid) END "
    "FROM pg_stat_get_activity($1) a WHERE a.backend_start = $2";

typedef struct sw_inquiry {
    sw_work work; /* first, so that `done` finds it */
    sw_lane *lane;
    int *pending;
    sw_session session;
    char cancel;
    const char *values[PARAMETERS];
    int sizes[PARAMETERS], formats[PARAMETERS];
} sw_inquiry;

static void done(sw_work *work, const PGresult *result)
{
    sw_inquiry *inquiry = (sw_inquiry *)work;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 && *PQgetvalue(result, 0, 0))
        sw_lane_set_waiting(inquiry->lane, &inquiry->session);
    sw_statement_release(work->statement);
    (*inquiry->pending)--;
    free(inquiry);
}

static void bind(sw_inquiry *inquiry, int i, const char *value, int size)
{
    inquiry->values[i] = value;
    inquiry->sizes[i] = size;
    inquiry->formats[i] = 1;
}

sw_work *sw_inquiry_new(sw_statements *statements, sw_lane *lane, bool cancel, int *pending)
{
    sw_session session;
    sw_inquiry *inquiry = sw_lane_session(lane, &session) ? calloc(1, sizeof(*inquiry)) : NULL;
    if (!inquiry)
        return NULL;
    sw_statement *statement = sw_statements_get(statements, text, sizeof(text) - 1, types, PARAMETERS);
    if (!statement) {
        free(inquiry);
        return NULL;
    }
    inquiry->lane = lane;
    inquiry->pending = pending;
    inquiry->session = session;
    inquiry->cancel = cancel ? 1 : 0;
    bind(inquiry, 0, inquiry->session.process_id, sizeof(session.process_id));
    bind(inquiry, 1, inquiry->session.started_at, sizeof(session.started_at));
    bind(inquiry, 2, &inquiry->cancel, 1);
    inquiry->work = (sw_work){.done = done,
                              .kind = SW_LANE_CANCEL,
                              .statement = statement,
                              .values = inquiry->values,
                              .sizes = inquiry->sizes,
                              .formats = inquiry->formats};
    ++*pending;
    return &inquiry->work;
}
