#include "ledger.h"

#include <stdbool.h>

#define REMEMBERED 64

static void note_ahead(struct ledger *l, uint32_t rank, struct tally *t)
{
    uint32_t jump = rank - l->next;
    t->skipped += jump;
    t->delivered++;
    l->seen = jump + 1 < REMEMBERED ? (l->seen << (jump + 1)) | 1 : 1;
    l->next = rank + 1;
}

static void note_behind(struct ledger *l, uint32_t rank, struct tally *t)
{
    uint32_t back = l->next - 1 - rank;
    bool missing = back < REMEMBERED && !(l->seen >> back & 1);
    if (!missing) {
        t->repeated++;
        return;
    }
    l->seen |= UINT64_C(1) << back;
    t->late++;
    t->skipped--;
    t->delivered++;
}

void ledger_note(struct ledger *l, uint32_t rank, struct tally *t)
{
    if (rank >= l->next)
        note_ahead(l, rank, t);
    else
        note_behind(l, rank, t);
}

void tally_add(struct tally *into, const struct tally *from)
{
    into->delivered += from->delivered;
    into->repeated += from->repeated;
    into->late += from->late;
    into->skipped += from->skipped;
    into->foreign += from->foreign;
    into->damaged += from->damaged;
}
