#define _GNU_SOURCE
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_LINE 256

static bool is_field(const char *line, size_t len, const char *name, struct http_span *value)
{
    size_t name_len = strlen(name);
    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return false;
    const char *from = line + name_len + 1, *to = line + len;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    *value = (struct http_span){from, (size_t)(to - from)};
    return true;
}

static void copy_field(char *out, const struct http_span *value)
{
    size_t len = value->len < HTTP_MAX_FIELD - 1 ? value->len : HTTP_MAX_FIELD - 1;
    memcpy(out, value->data, len);
    out[len] = 0;
}

static void read_field(struct http_reader *r, const char *line, size_t len)
{
    struct http_span value;
    if (is_field(line, len, "content-length", &value)) {
        r->place = HTTP_AT_BODY;
        r->left = strtoull(value.data, NULL, 10);
    } else if (is_field(line, len, "transfer-encoding", &value)) {
        r->place = HTTP_AT_CHUNK_SIZE;
    } else if (is_field(line, len, "connection", &value)) {
        r->keeps = strncasecmp(value.data, "close", 5) != 0;
    } else if (is_field(line, len, "etag", &value)) {
        copy_field(r->etag, &value);
    } else if (is_field(line, len, "last-modified", &value)) {
        copy_field(r->modified, &value);
    } else if (is_field(line, len, "sec-websocket-accept", &value)) {
        copy_field(r->accept, &value);
    }
}

static size_t step_head(struct http_reader *r, const char *data, size_t len,
                        enum http_event *event)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end) {
        *event = len > HTTP_MAX_HEAD ? HTTP_BAD : HTTP_MORE;
        return 0;
    }
    size_t consumed = (size_t)(end - data) + 4;
    if (consumed < 16 || memcmp(data, "HTTP/1.", 7) != 0) {
        *event = HTTP_BAD;
        return 0;
    }
    r->status = atoi(data + 9);
    r->keeps = true;
    r->left = 0;
    r->place = HTTP_AT_ENDLESS;
    const char *line = memmem(data, consumed, "\r\n", 2);
    while ((line += 2) < end) {
        const char *stop = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        read_field(r, line, (size_t)(stop - line));
        line = stop;
    }
    if (r->status == 304 || r->status == 204)
        r->place = HTTP_AT_END;
    else if (r->place == HTTP_AT_BODY && r->left == 0)
        r->place = HTTP_AT_END;
    *event = HTTP_HEAD;
    return consumed;
}

static size_t step_data(struct http_reader *r, const char *data, size_t len, enum http_place next,
                        enum http_event *event, struct http_span *span)
{
    size_t taken = len < r->left ? len : (size_t)r->left;
    *span = (struct http_span){data, taken};
    *event = taken ? HTTP_DATA : HTTP_MORE;
    r->left -= taken;
    if (r->left == 0)
        r->place = next;
    return taken;
}

/* Reads one line of the chunk framing; returns its length with CRLF, 0 when incomplete. */
static size_t whole_line(const char *data, size_t len, enum http_event *event)
{
    const char *end = memmem(data, len, "\r\n", 2);
    if (!end) {
        *event = len > MAX_LINE ? HTTP_BAD : HTTP_MORE;
        return 0;
    }
    return (size_t)(end - data) + 2;
}

size_t http_step(struct http_reader *r, const char *data, size_t len, enum http_event *event,
                 struct http_span *span)
{
    size_t line;
    *event = HTTP_MORE;
    switch (r->place) {
    case HTTP_AT_HEAD:
        return step_head(r, data, len, event);
    case HTTP_AT_BODY:
        return step_data(r, data, len, HTTP_AT_END, event, span);
    case HTTP_AT_CHUNK:
        return step_data(r, data, len, HTTP_AT_CHUNK_END, event, span);
    case HTTP_AT_ENDLESS:
        *span = (struct http_span){data, len};
        *event = len ? HTTP_DATA : HTTP_MORE;
        return len;
    case HTTP_AT_CHUNK_SIZE:
        if ((line = whole_line(data, len, event)) == 0)
            return 0;
        r->left = strtoull(data, NULL, 16);
        r->place = r->left ? HTTP_AT_CHUNK : HTTP_AT_TRAILER;
        return line + http_step(r, data + line, len - line, event, span);
    case HTTP_AT_CHUNK_END:
        if ((line = whole_line(data, len, event)) == 0)
            return 0;
        r->place = HTTP_AT_CHUNK_SIZE;
        return line + http_step(r, data + line, len - line, event, span);
    case HTTP_AT_TRAILER:
        if ((line = whole_line(data, len, event)) == 0)
            return 0;
        if (line == 2)
            r->place = HTTP_AT_END;
        return line + http_step(r, data + line, len - line, event, span);
    case HTTP_AT_END:
        r->place = HTTP_AT_HEAD;
        *event = HTTP_END;
        return 0;
    }
    *event = HTTP_BAD;
    return 0;
}
