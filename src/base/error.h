/* Filling in an sw_error. Used everywhere; <sitewire/status.h> declares the type. */
#ifndef SW_BASE_ERROR_H
#define SW_BASE_ERROR_H

#include <sitewire/status.h>

/* Sets *error (which may be NULL) to code and text, local and without a field, and returns the
 * code: `return sw_fail(...)`. */
sw_code sw_fail(sw_error *error, sw_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with the path of the wrong field. */
sw_code sw_fail_field(sw_error *error, sw_code code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* clang's analyzer sees one file at a time; this shows it that the code is returned. */
#ifdef __clang_analyzer__
#define sw_fail(error, code, ...) ((void)(sw_fail)(error, code, __VA_ARGS__), (code))
#define sw_fail_field(error, code, field, ...)                                                               \
    ((void)(sw_fail_field)(error, code, field, __VA_ARGS__), (code))
#endif

#endif
