/*
 * The payload of a message: found again inside any envelope, and verifiable by itself.
 *
 *     @load:PPCCCCCCSSSSSSSSTTTTTTTTTTTTTTTT.<filler>;
 *           |  |     |       `- when it was due, nanoseconds (hex, as all four)
 *           |  |     `- rank among the messages of this publisher in this channel, from 0
 *           |  `- channel
 *           `- publisher connection
 *
 * No character in it is escaped by JSON, SSE or HTML. The filler is a piece of a fixed text
 * whose beginning follows from the four numbers, so every byte is checked on arrival without
 * remembering what was sent. All payloads of a run have the same size.
 */
#ifndef LOAD_PAYLOAD_H
#define LOAD_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_LEAD "@load:"
#define PAYLOAD_LEAD_LEN 6
#define PAYLOAD_MIN 56
#define PAYLOAD_MAX 65536
#define PAYLOAD_MAX_PUBLISHERS 256
#define PAYLOAD_MAX_CHANNELS (1 << 24)

struct payload_id {
    uint32_t publisher, channel, rank;
    uint64_t due_ns;
};

/* Call once, before the others; size from PAYLOAD_MIN to PAYLOAD_MAX. */
void payload_prepare(size_t size);

/* Writes exactly size bytes, without a final NUL. */
void payload_write(char *out, size_t size, const struct payload_id *id);

/* Reads size bytes that start with the lead; false when any byte is not as written. */
bool payload_read(const char *in, size_t size, struct payload_id *id);

#endif
