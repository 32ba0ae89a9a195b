/* The tables of failures (sqlstate.h). */
#include "store/pg/sqlstate.h"
#include <stdio.h>
#include <string.h>

/* https://www.postgresql.org/docs/current/errcodes-appendix.html */
static const sw_sqlstate states[] = {
    {"", SW_INTERNAL, SW_FAULT_PLAIN, false, "the database refused the statement"},
    {"08", SW_UNAVAILABLE, SW_FAULT_PLAIN, false, "the database cannot be reached"},
    {"22", SW_INVALID_ARGUMENT, SW_FAULT_PLAIN, false, NULL},
    {"23", SW_FAILED_PRECONDITION, SW_FAULT_CONSTRAINT, false, NULL},
    {"23502", SW_INVALID_ARGUMENT, SW_FAULT_CONSTRAINT, false, NULL},
    {"23503", SW_FAILED_PRECONDITION, SW_FAULT_CONSTRAINT, false, NULL},
    {"23505", SW_ALREADY_EXISTS, SW_FAULT_CONSTRAINT, false, NULL},
    {"23514", SW_INVALID_ARGUMENT, SW_FAULT_CONSTRAINT, false, NULL},
    {"25006", SW_UNAVAILABLE, SW_FAULT_PLAIN, false, "the database takes no changes now"},
    {"28", SW_UNAVAILABLE, SW_FAULT_PLAIN, false, "the database does not let this service in"},
    {"40", SW_ABORTED, SW_FAULT_PLAIN, false, "somebody else changed it at the same time; try again"},
    {"40001", SW_ABORTED, SW_FAULT_PLAIN, true, "somebody else changed it at the same time; try again"},
    {"40P01", SW_ABORTED, SW_FAULT_PLAIN, true, "somebody else changed it at the same time; try again"},
    {"42501", SW_PERMISSION_DENIED, SW_FAULT_PLAIN, false, "the database does not allow it to this service"},
    {"53", SW_RESOURCE_EXHAUSTED, SW_FAULT_PLAIN, false, "the database is at a bound"},
    {"54", SW_INVALID_ARGUMENT, SW_FAULT_PLAIN, false, "too large for the database"},
    {"55P03", SW_ABORTED, SW_FAULT_PLAIN, true, "somebody else holds a lock on it; try again"},
    {"57014", SW_CANCELLED, SW_FAULT_PLAIN, false, "the statement was cancelled"},
    {"57P", SW_UNAVAILABLE, SW_FAULT_PLAIN, false, "the database is shutting down or starting"},
    {"58", SW_UNAVAILABLE, SW_FAULT_PLAIN, false, "the database has trouble with its system"},
    {"SW001", SW_ABORTED, SW_FAULT_REVISION, false, NULL},
    {"SW002", SW_INVALID_ARGUMENT, SW_FAULT_RAISED, false, NULL},
    {"SW003", SW_NOT_FOUND, SW_FAULT_RAISED, false, NULL},
    {"SW004", SW_UNAUTHENTICATED, SW_FAULT_RAISED, false, NULL},
    {"SW005", SW_PERMISSION_DENIED, SW_FAULT_RAISED, false, NULL},
    {"SW006", SW_FAILED_PRECONDITION, SW_FAULT_RAISED, false, NULL},
    {"SW007", SW_ABORTED, SW_FAULT_RAISED, false, NULL},
    {"SW008", SW_RESOURCE_EXHAUSTED, SW_FAULT_RAISED, false, NULL},
};

const sw_sqlstate *sw_sqlstate_find(const char *state)
{
    const sw_sqlstate *best = &states[0];
    for (size_t i = 1; state && i < sizeof(states) / sizeof(*states); i++) {
        size_t length = strlen(states[i].prefix);
        if (length > strlen(best->prefix) && strncmp(state, states[i].prefix, length) == 0)
            best = &states[i];
    }
    return best;
}

/* sql/migrations/0020_baseline/01_rules.sql explains the names. */
static const sw_rule rules[] = {
    {"key", SW_ALREADY_EXISTS, "it is taken: update the one there is, or choose another"},
    {"unique", SW_ALREADY_EXISTS, "another one has this value: choose another"},
    {"ref", SW_FAILED_PRECONDITION, "there is none: create it first"},
    {"code", SW_INVALID_ARGUMENT, "a code is 1 to 128 characters of A-Z a-z 0-9 . _ : -"},
    {"host", SW_INVALID_ARGUMENT,
     "a host name is lower case, labels of a-z 0-9 - joined by dots, at most 253 characters"},
    {"domain", SW_INVALID_ARGUMENT,
     "a domain name is lower case, two labels or more of a-z 0-9 _ - joined by dots, at most 253 characters"},
    {"url", SW_INVALID_ARGUMENT,
     "a URL is scheme://..., or user@host:path, without spaces, at most 2048 characters"},
    {"path", SW_INVALID_ARGUMENT,
     "a path is relative, without `..` and control characters, at most 1024 characters"},
    {"login", SW_INVALID_ARGUMENT, "an account is at most 128 characters without spaces and colons"},
    {"text", SW_INVALID_ARGUMENT, "the text is too long or has control characters"},
    {"pem", SW_INVALID_ARGUMENT, "it must be PEM text (-----BEGIN ...-----), at most 256 KiB"},
    {"email", SW_INVALID_ARGUMENT, "an e-mail address is lower case, name@host, at most 254 characters"},
    {"public_key", SW_INVALID_ARGUMENT, "a public key is 32 bytes in Z85: 40 characters"},
    {"address", SW_INVALID_ARGUMENT, "it must be one IPv4 or IPv6 address, without a network mask"},
    {"range", SW_INVALID_ARGUMENT, "it is out of range"},
    {"together", SW_INVALID_ARGUMENT, "these fields go together: set all of them or none"},
    {"within", SW_INVALID_ARGUMENT, "the domain does not lie in the one named"},
    {"choice", SW_INVALID_ARGUMENT, "it is none of the values possible"},
};

bool sw_rule_parse(const char *constraint, char *field, size_t size, const sw_rule **rule)
{
    const char *start = strstr(constraint, "__"), *end = NULL;
    for (const char *at = start; at; at = strstr(at + 2, "__"))
        end = at;
    if (!start || end < start + 2)
        return false;
    snprintf(field, size, "%.*s", (int)(end - start - 2), start + 2);
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (strcmp(rules[i].name, end + 2) == 0) {
            *rule = &rules[i];
            return true;
        }
    return false;
}
