#include "payload.h"

#include <string.h>

#include "fail.h"

#define PLACE_BITS 16
#define PLACES (1 << PLACE_BITS)
#define DIGITS 32
#define HEAD (PAYLOAD_LEAD_LEN + DIGITS + 1)

static char *text;

void payload_prepare(size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint32_t state = 2463534242u;
    text = reallocate(text, PLACES + size);
    for (size_t i = 0; i < PLACES + size; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        text[i] = letters[state % (sizeof letters - 1)];
    }
}

static const char *filler(const struct payload_id *id)
{
    uint64_t mixed = id->due_ns + ((uint64_t)id->publisher << 56) + ((uint64_t)id->channel << 32);
    mixed = (mixed + id->rank) * UINT64_C(0x9e3779b97f4a7c15);
    return text + (mixed >> (64 - PLACE_BITS));
}

static void write_hex(char *out, unsigned digits, uint64_t value)
{
    while (digits--) {
        out[digits] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

/* Eight hex digits at once; *bad collects the high bits of anything that is no digit. */
static uint32_t read_hex8(const char *in, uint64_t *bad)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, in, sizeof word);
    uint64_t letter = (word >> 6) & ones;
    uint64_t nibbles = (word & (ones * 15)) + letter * 9;
    *bad |= (word | nibbles) & (ones * 128);
    *bad |= nibbles & (ones * 16);
    word = (nibbles & (ones * 15));
    word = ((word << 4) | (word >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    word = ((word << 8) | (word >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)((word << 16) | (word >> 32));
}

void payload_write(char *out, size_t size, const struct payload_id *id)
{
    memcpy(out, PAYLOAD_LEAD, PAYLOAD_LEAD_LEN);
    char *digits = out + PAYLOAD_LEAD_LEN;
    write_hex(digits, 2, id->publisher);
    write_hex(digits + 2, 6, id->channel);
    write_hex(digits + 8, 8, id->rank);
    write_hex(digits + 16, 16, id->due_ns);
    out[HEAD - 1] = '.';
    memcpy(out + HEAD, filler(id), size - HEAD - 1);
    out[size - 1] = ';';
}

bool payload_read(const char *in, size_t size, struct payload_id *id)
{
    const char *digits = in + PAYLOAD_LEAD_LEN;
    uint64_t bad = 0;
    uint32_t who = read_hex8(digits, &bad);
    id->publisher = who >> 24;
    id->channel = who & 0xffffff;
    id->rank = read_hex8(digits + 8, &bad);
    id->due_ns = (uint64_t)read_hex8(digits + 16, &bad) << 32;
    id->due_ns |= read_hex8(digits + 24, &bad);
    return !bad && in[HEAD - 1] == '.' && in[size - 1] == ';' &&
           memcmp(in + HEAD, filler(id), size - HEAD - 1) == 0;
}
