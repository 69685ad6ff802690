/*
 * What one subscriber has received of one stream (one publisher connection in one channel):
 * the next rank due, and which of the last 64 ranks have come.
 */
#ifndef LOAD_LEDGER_H
#define LOAD_LEDGER_H

#include <stdint.h>

struct ledger {
    uint64_t seen; /* bit n: rank next - 1 - n has come */
    uint32_t next;
};

struct tally {
    uint64_t delivered; /* distinct messages */
    uint64_t repeated;  /* came again, or more than 64 ranks late */
    uint64_t late;      /* came after a later one */
    uint64_t skipped;   /* passed over and not come since */
    uint64_t foreign;   /* of a channel that this subscriber never asked for */
    uint64_t damaged;   /* bytes not as published */
};

void ledger_note(struct ledger *l, uint32_t rank, struct tally *t);
void tally_add(struct tally *into, const struct tally *from);

#endif
