/*
 * Finds payloads in the application bytes of one connection, however these are cut into
 * frames, chunks and reads. Only a payload that is cut in two is ever copied.
 */
#ifndef LOAD_SCANNER_H
#define LOAD_SCANNER_H

#include <stddef.h>

struct scanner {
    char *held; /* beginning of a payload whose rest has not come yet */
    size_t held_len;
};

typedef void (*scanner_sink)(void *context, const char *payload);

void scanner_feed(struct scanner *s, const char *data, size_t len, size_t payload_size,
                  scanner_sink sink, void *context);

/* The message ended: forgets a half payload and says whether there was one. */
int scanner_cut(struct scanner *s);

void scanner_free(struct scanner *s);

#endif
