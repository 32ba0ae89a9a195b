/* Statements by their text: a bounded, shared cache, so that each connection prepares each shape once.
 * Used by lane.c, which prepares them, and by what makes work. */
#ifndef SW_STORE_STATEMENT_H
#define SW_STORE_STATEMENT_H

#include "store/pg/sql.h"

#define SW_STATEMENTS_MAX 256 /* shapes, and prepared statements per connection */

typedef struct sw_statement {
    char *text;
    char name[24]; /* of the prepared statement */
    Oid *types;
    int count; /* parameters */
    int slot;  /* 0 to SW_STATEMENTS_MAX - 1; a slot is used again with another generation */
    uint32_t generation;
    uint32_t users; /* work that refers to it: not evicted */
    uint32_t hash;
    uint64_t used; /* when, on the clock of the cache */
    int next;      /* in its hash bucket, or -1 */
} sw_statement;

typedef struct sw_statements sw_statements;

sw_statements *sw_statements_new(void);
void sw_statements_destroy(sw_statements **statements);

/* The statement with this text and these parameter types; the least recently used one makes room. The caller gives
 * it back with sw_statement_release. NULL when out of memory or when all are in use. */
sw_statement *sw_statements_get(sw_statements *statements, const char *text, size_t length, const Oid *types,
                                int count);
void sw_statement_release(sw_statement *statement);

/* A statement that may be asked for again without its text. */
typedef struct sw_known_statement {
    sw_statement *statement; /* NULL: none yet */
    uint32_t generation;
} sw_known_statement;

/* Whether it is still there. */
bool sw_statement_is_known(const sw_known_statement *known);
/* As sw_statements_get, of one that is. */
sw_statement *sw_statements_again(sw_statements *statements, const sw_known_statement *known);

#endif
