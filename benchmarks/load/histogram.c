#include "histogram.h"

#define SUB_BITS 5
#define SUB (1u << SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    unsigned bucket = ((shift + 1) << SUB_BITS) + (unsigned)((value >> shift) - SUB);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < SUB)
        return bucket;
    unsigned shift = (bucket >> SUB_BITS) - 1;
    return ((uint64_t)(SUB + (bucket & (SUB - 1)) + 1) << shift) - 1;
}

void histogram_note(struct histogram *h, uint64_t value)
{
    h->count[bucket_of(value)]++;
    h->total++;
    h->sum += value;
    if (value > h->max)
        h->max = value;
}

void histogram_add(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->count[i] += from->count[i];
    into->total += from->total;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->total + 0.5), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->count[i];
        if (seen && seen >= wanted)
            return upper_edge(i) < h->max ? upper_edge(i) : h->max;
    }
    return h->max;
}
