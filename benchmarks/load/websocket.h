/* The client's side of RFC 6455: reads server frames as they come, writes masked ones. */
#ifndef LOAD_WEBSOCKET_H
#define LOAD_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The sample key of RFC 6455, section 1.3, and its answer: one key serves every connection. */
#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define WEBSOCKET_TEXT 0x1
#define WEBSOCKET_BINARY 0x2
#define WEBSOCKET_CLOSE 0x8
#define WEBSOCKET_PING 0x9
#define WEBSOCKET_PONG 0xa
#define WEBSOCKET_MAX_CONTROL 125

enum websocket_event {
    WEBSOCKET_MORE,    /* nothing whole here yet */
    WEBSOCKET_DATA,    /* bytes of a message */
    WEBSOCKET_CONTROL, /* one whole control frame */
    WEBSOCKET_BAD,     /* not what a server may send */
};

struct websocket_reader {
    uint64_t left; /* bytes of the data frame still to come */
    bool final;    /* no fragment follows the frame */
    bool inside;   /* between the first and last fragment of a message */
};

struct websocket_span {
    const char *data;
    size_t len;
    unsigned opcode;
    bool whole; /* the frame began and ended in this span */
    bool ends;  /* the message ends with this span */
};

/* Takes one step and returns the number of bytes consumed. */
size_t websocket_step(struct websocket_reader *r, const char *data, size_t len,
                      enum websocket_event *event, struct websocket_span *span);

/* Writes a masked frame of up to 125 bytes; returns its length (len + 6). */
size_t websocket_write(char *out, unsigned opcode, const char *data, size_t len);

#endif
