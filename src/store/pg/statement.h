/* Statements by their text: a bounded cache, so that each connection prepares each statement once.
 * Used by pipeline.c, which prepares them, and by the code that creates work. */
#ifndef SW_STORE_STATEMENT_H
#define SW_STORE_STATEMENT_H

#include "store/pg/sql.h"

#define SW_STATEMENTS_MAX 256 /* in the cache, and prepared per connection */

typedef struct sw_statement {
    char *text;
    char name[24]; /* of the prepared statement */
    Oid *types;
    int count; /* parameters */
    int slot;  /* 0 to SW_STATEMENTS_MAX - 1; used again with another generation */
    uint32_t generation;
    uint32_t users; /* pieces of work that use it; then it is not evicted */
    uint32_t hash;
    uint64_t used; /* last use, on the clock of the cache */
    int next;      /* in its hash bucket, or -1 */
} sw_statement;

typedef struct sw_statements sw_statements;

sw_statements *sw_statements_new(void);
void sw_statements_destroy(sw_statements **statements);

/* The statement with this text and these parameter types. A new one takes the place of the least
 * recently used one. Give it back with sw_statement_release. NULL when out of memory, or if all are
 * in use. */
sw_statement *sw_statements_get(sw_statements *statements, const char *text, size_t length, const Oid *types,
                                int count);
void sw_statement_release(sw_statement *statement);

/* A statement that can be found again without its text. */
typedef struct sw_known_statement {
    sw_statement *statement; /* NULL: none yet */
    uint32_t generation;
} sw_known_statement;

/* Whether it is still there. */
bool sw_statement_is_known(const sw_known_statement *known);
/* Like sw_statements_get, for a statement that is known. */
sw_statement *sw_statements_again(sw_statements *statements, const sw_known_statement *known);

#endif
