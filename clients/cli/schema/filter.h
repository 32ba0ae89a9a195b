/* Filter expressions of the command line: `live = true`, `rank>=2`, `code prefix www`, `name is
 * null`. Used by list, export and completion. */
#ifndef SW_CLI_SCHEMA_FILTER_H
#define SW_CLI_SCHEMA_FILTER_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* Parses FIELD OP VALUE into a sitewire.rpc.v1.Filter in JSON (a new reference). OP is = != < <=
 * > >= ^= (prefix) ~ (contains), `prefix`, `contains`, `in A,B,C`, `is null`, `is not null`;
 * signs need no spaces around them. Values may be quoted with ' or ". Field and value are
 * checked against `message`. INVALID_ARGUMENT says what is wrong. */
sw_code sw_filter_parse(const ProtobufCMessageDescriptor *message, const char *text, json_t **filter,
                        sw_error *error);

/* Parses `field,-field` into a list of sitewire.rpc.v1.OrderBy in JSON (a new reference). */
sw_code sw_order_parse(const ProtobufCMessageDescriptor *message, const char *text, json_t **order,
                       sw_error *error);

#endif
