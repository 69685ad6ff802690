#include "websocket.h"

#include <string.h>

static uint64_t big_endian(const unsigned char *bytes, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Length of the frame header and of its content; 0 when the header is not all there. */
static size_t read_header(const unsigned char *b, size_t len, uint64_t *content)
{
    if (len < 2)
        return 0;
    unsigned extra = (b[1] & 127) == 126 ? 2 : (b[1] & 127) == 127 ? 8 : 0;
    if (len < 2 + extra)
        return 0;
    *content = extra ? big_endian(b + 2, extra) : b[1] & 127;
    return 2 + extra;
}

static size_t step_control(const char *data, size_t len, size_t header, uint64_t content,
                           enum websocket_event *event, struct websocket_span *span)
{
    if (content > WEBSOCKET_MAX_CONTROL) {
        *event = WEBSOCKET_BAD;
        return 0;
    }
    if (len < header + content)
        return 0;
    *event = WEBSOCKET_CONTROL;
    span->data = data + header;
    span->len = (size_t)content;
    return header + (size_t)content;
}

static size_t step_data(struct websocket_reader *r, const char *data, size_t len,
                        enum websocket_event *event, struct websocket_span *span)
{
    size_t taken = len < r->left ? len : (size_t)r->left;
    r->left -= taken;
    span->data = data;
    span->len = taken;
    span->ends = r->left == 0 && r->final;
    if (taken || span->ends)
        *event = WEBSOCKET_DATA;
    return taken;
}

size_t websocket_step(struct websocket_reader *r, const char *data, size_t len,
                      enum websocket_event *event, struct websocket_span *span)
{
    *event = WEBSOCKET_MORE;
    *span = (struct websocket_span){0};
    if (r->left)
        return step_data(r, data, len, event, span);

    const unsigned char *b = (const unsigned char *)data;
    uint64_t content = 0;
    size_t header = read_header(b, len, &content);
    if (!header)
        return 0;
    span->opcode = b[0] & 15;
    bool reserved_or_masked = b[0] & 0x70 || b[1] & 0x80;
    bool continues = span->opcode == 0;
    bool known = span->opcode <= WEBSOCKET_BINARY ||
                 (span->opcode >= WEBSOCKET_CLOSE && span->opcode <= WEBSOCKET_PONG);
    if (reserved_or_masked || !known) {
        *event = WEBSOCKET_BAD;
        return 0;
    }
    if (span->opcode >= WEBSOCKET_CLOSE)
        return step_control(data, len, header, content, event, span);
    if (continues != r->inside) {
        *event = WEBSOCKET_BAD;
        return 0;
    }
    r->left = content;
    r->final = b[0] & 0x80;
    r->inside = !r->final;
    size_t taken = step_data(r, data + header, len - header, event, span);
    span->whole = !continues && taken == content && r->final;
    return header + taken;
}

size_t websocket_write(char *out, unsigned opcode, const char *data, size_t len)
{
    static const char mask[4] = {0x37, 0x4a, 0x21, 0x5d};
    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(0x80 | len);
    memcpy(out + 2, mask, 4);
    for (size_t i = 0; i < len; i++)
        out[6 + i] = (char)(data[i] ^ mask[i & 3]);
    return len + 6;
}
