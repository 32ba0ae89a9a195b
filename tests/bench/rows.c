/* The reference for lists: libpq alone reads the same rows, in binary, page after page.
 * rows CONNINFO SECONDS */
#include "measure.h"

#include <libpq-fe.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: rows CONNINFO SECONDS\n");
        return 2;
    }
    PGconn *connection = PQconnectdb(argv[1]);
    PGresult *result =
        PQprepare(connection, "page",
                  "SELECT code, name, code_repository_url, binary_repository_url, home_directory, enabled, "
                  "live, organization, created_at, updated_at, revision FROM referential.website "
                  "ORDER BY code LIMIT 1000",
                  0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "rows: %s", PQerrorMessage(connection));
        return 1;
    }
    PQclear(result);
    measure m = {.latency_us = malloc(BENCH_SAMPLES * sizeof(uint32_t)), .started_us = bench_now_us()};
    int64_t until = m.started_us + (int64_t)(atof(argv[2]) * 1e6);
    do {
        int64_t started = bench_now_us();
        result = PQexecPrepared(connection, "page", 0, NULL, NULL, NULL, 1);
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            return 1;
        m.items += (uint64_t)PQntuples(result);
        PQclear(result);
        m.ended_us = bench_now_us();
        measure_add(&m, started, m.ended_us);
    } while (m.ended_us < until);
    measure_print(&m);
    PQfinish(connection);
    return 0;
}
