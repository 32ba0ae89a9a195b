/* Runs deployment.relay (sql/schema/11_deployment_events.sql) when calls have left events in the
 * outbox, and each second. After the commit, it publishes the events that got numbers to all
 * brokers. Subscribers notice lost events by the numbers. */
#include "service/relay.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"
#include "store/bind/time.h"
#include "store/pg/sql.h"
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define EVERY_MS  1000
#define BATCH     "5000"
#define TOPIC_MAX 256

enum { POSITION, PROJECT, SEQUENCE, DEPLOYMENT, KIND, AT, PAYLOAD, PREVIOUS, COLUMNS };

static int64_t number(const PGresult *rows, int row, int column, protobuf_c_boolean *has)
{
    *has = !PQgetisnull(rows, row, column);
    return *has ? (int64_t)sw_get_be(PQgetvalue(rows, row, column), 8) : 0;
}

static char *text(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

static void publish(sw_server *server, const PGresult *rows, int row)
{
    Sw__Event event = SW__EVENT__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    char topic[TOPIC_MAX];
    event.position = number(rows, row, POSITION, &event.has_position);
    event.project = text(rows, row, PROJECT);
    event.project_sequence = number(rows, row, SEQUENCE, &event.has_project_sequence);
    event.deployment = number(rows, row, DEPLOYMENT, &event.has_deployment);
    event.kind = text(rows, row, KIND);
    event.payload = text(rows, row, PAYLOAD);
    event.previous_position = number(rows, row, PREVIOUS, &event.has_previous_position);
    int64_t us = (int64_t)sw_get_be(PQgetvalue(rows, row, AT), 8); /* after the year 2000 */
    at.seconds = us / 1000000 + SW_PG_EPOCH;
    at.nanos = (int32_t)(us % 1000000 * 1000);
    event.at = &at;
    int size = snprintf(topic, sizeof(topic), "deployment/%s/%s/", event.kind, event.project);
    sw_message message = {0};
    zmq_msg_t *body = &message.frames[1];
    if (size < 0 || (size_t)size >= sizeof(topic) || !sw_message_add(&message, topic, (size_t)size) ||
        zmq_msg_init_size(body, sw__event__get_packed_size(&event)) != 0) {
        sw_message_close(&message);
        return;
    }
    message.count = 2;
    sw__event__pack(&event, zmq_msg_data(body));
    sw_server_publish(server, &message);
}

static int64_t on_result(void *context, const PGresult *rows)
{
    int64_t again_ms = -1;
    for (int row = 0; rows && PQnfields(rows) == COLUMNS && row < PQntuples(rows); row++) {
        if (!PQgetisnull(rows, row, POSITION))
            publish(context, rows, row);
        else if (sw_get_be(PQgetvalue(rows, row, SEQUENCE), 8) > 0)
            again_ms = 0;
    }
    return again_ms;
}

sw_code sw_relay_start(sw_store *store, sw_server *server, sw_error *error)
{
    const sw_periodic periodic = {.name = "publishing events",
                                  .sql = "SELECT * FROM deployment.relay(false, " BATCH ")",
                                  .sql_on_change = "SELECT * FROM deployment.relay(true, " BATCH ")",
                                  .channel = "deployment_outbox",
                                  .every_ms = EVERY_MS,
                                  .on_result = on_result,
                                  .context = server};
    return sw_store_add_periodic(store, &periodic, error);
}
