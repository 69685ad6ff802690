#include "scanner.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "payload.h"

static int starts_like_lead(const char *data, size_t len)
{
    size_t known = len < PAYLOAD_LEAD_LEN ? len : PAYLOAD_LEAD_LEN;
    return memcmp(data, PAYLOAD_LEAD, known) == 0;
}

static void hold(struct scanner *s, const char *data, size_t len, size_t payload_size)
{
    if (!s->held)
        s->held = allocate(1, payload_size);
    memcpy(s->held, data, len);
    s->held_len = len;
}

/* Completes the held payload; returns how many bytes of data that took. */
static size_t complete(struct scanner *s, const char *data, size_t len, size_t payload_size,
                       scanner_sink sink, void *context)
{
    size_t missing = payload_size - s->held_len;
    size_t taken = len < missing ? len : missing;
    memcpy(s->held + s->held_len, data, taken);
    s->held_len += taken;
    if (!starts_like_lead(s->held, s->held_len)) {
        /* It only began like one ('@' at the end of a read): these bytes are envelope. */
        s->held_len = 0;
        return 0;
    }
    if (s->held_len == payload_size) {
        sink(context, s->held);
        s->held_len = 0;
    }
    return taken;
}

void scanner_feed(struct scanner *s, const char *data, size_t len, size_t payload_size,
                  scanner_sink sink, void *context)
{
    const char *end = data + len;
    if (s->held_len)
        data += complete(s, data, len, payload_size, sink, context);
    while (data < end && (data = memchr(data, PAYLOAD_LEAD[0], (size_t)(end - data)))) {
        size_t left = (size_t)(end - data);
        if (!starts_like_lead(data, left)) {
            data++;
        } else if (left < payload_size) {
            hold(s, data, left, payload_size);
            return;
        } else {
            sink(context, data);
            data += payload_size;
        }
    }
}

int scanner_cut(struct scanner *s)
{
    int cut = s->held_len != 0;
    s->held_len = 0;
    return cut;
}

void scanner_free(struct scanner *s)
{
    free(s->held);
    s->held = NULL;
    s->held_len = 0;
}
