/*
 * Reads HTTP/1.1 responses from a stream of bytes: a pull parser that never buffers.
 * Unconsumed bytes are given again, with more behind them, at the next call.
 */
#ifndef LOAD_HTTP_H
#define LOAD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_HEAD 16384
#define HTTP_MAX_FIELD 64

enum http_event { HTTP_MORE, HTTP_HEAD, HTTP_DATA, HTTP_END, HTTP_BAD };

enum http_place {
    HTTP_AT_HEAD,
    HTTP_AT_BODY,
    HTTP_AT_CHUNK_SIZE,
    HTTP_AT_CHUNK,
    HTTP_AT_CHUNK_END,
    HTTP_AT_TRAILER,
    HTTP_AT_ENDLESS,
    HTTP_AT_END,
};

struct http_reader {
    enum http_place place;
    uint64_t left; /* bytes of the body or chunk still to come */
    int status;
    bool keeps; /* the connection stays open after this response */
    char etag[HTTP_MAX_FIELD];
    char modified[HTTP_MAX_FIELD];
    char accept[HTTP_MAX_FIELD]; /* Sec-WebSocket-Accept */
};

struct http_span {
    const char *data;
    size_t len;
};

/*
 * Takes one step and returns the number of bytes consumed. After HTTP_DATA the span holds
 * body bytes; after HTTP_END the reader stands before the next response.
 */
size_t http_step(struct http_reader *r, const char *data, size_t len, enum http_event *event,
                 struct http_span *span);

#endif
