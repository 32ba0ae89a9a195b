/* What PostgreSQL's errors mean to a caller: a table of SQLSTATEs, and a table of the rules with
 * which names of constraints end. Used by fault.c. */
#ifndef SW_STORE_SQLSTATE_H
#define SW_STORE_SQLSTATE_H

#include <sitewire/status.h>

typedef enum {
    SW_FAULT_PLAIN,      /* the server's message explains it */
    SW_FAULT_CONSTRAINT, /* the constraint's name gives field and rule */
    SW_FAULT_RAISED,     /* HINT is the field, the message is meant for the caller */
    SW_FAULT_REVISION    /* DETAIL is the current revision */
} sw_fault_kind;

typedef struct sw_sqlstate {
    const char *prefix; /* of the SQLSTATE; the longest match counts */
    sw_code code;
    sw_fault_kind kind;
    bool again;       /* the same statement may succeed if it runs again */
    const char *text; /* before the server's message, or NULL */
} sw_sqlstate;

/* Never NULL. `state` may be NULL. */
const sw_sqlstate *sw_sqlstate_find(const char *state);

/* The rule that the end of a constraint's name stands for. */
typedef struct sw_rule {
    const char *name;
    sw_code code;
    const char *remedy;
} sw_rule;

/* Splits `<table>__<field>__<rule>`; false for another form. `field` is truncated to `size`. */
bool sw_rule_parse(const char *constraint, char *field, size_t size, const sw_rule **rule);

#endif
