/* malloc and its siblings, with memory that is overwritten before it is freed (wiped_heap.h). */
#include "service/wiped_heap.h"

#include "base/error.h"
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static void *take(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void drop(void *piece, const char *file, int line)
{
    (void)file;
    (void)line;
    if (piece != NULL)
        explicit_bzero(piece, malloc_usable_size(piece));
    free(piece);
}

/* Never moves a piece by realloc, which would free the old one as it is. */
static void *resize(void *piece, size_t size, const char *file, int line)
{
    size_t had = piece != NULL ? malloc_usable_size(piece) : 0;
    if (piece != NULL && size > 0 && size <= had)
        return piece;
    void *fresh = size > 0 ? malloc(size) : NULL;
    if (fresh == NULL && size > 0)
        return NULL;
    if (fresh != NULL && piece != NULL)
        memcpy(fresh, piece, had);
    drop(piece, file, line);
    return fresh;
}

sw_code sw_wiped_heap_use(sw_error *error)
{
    return CRYPTO_set_mem_functions(take, resize, drop) == 1
               ? SW_OK
               : sw_fail(error, SW_INTERNAL, "libcrypto does not take a heap that is wiped");
}
