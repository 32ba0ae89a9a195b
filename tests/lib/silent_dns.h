/* A DNS server that takes questions and never answers, for this process and its children: they get
 * a network and a configuration of their own. Used by tests that look up names. */
#ifndef SW_TESTS_SILENT_DNS_H
#define SW_TESTS_SILENT_DNS_H

#include <stdbool.h>

/* Call it before anything else. Its descriptor, or -1 where namespaces are not permitted. */
int silent_dns_start(void);
/* A question has come since the last call. */
bool silent_dns_was_asked(int fd);

#endif
