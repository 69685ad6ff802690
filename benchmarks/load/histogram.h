/*
 * A histogram of durations: 32 buckets per power of two, so a value is known to 3 %.
 * Fixed size, no allocation, two histograms can be added.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS (60 * 32)

struct histogram {
    uint64_t count[HISTOGRAM_BUCKETS];
    uint64_t total, sum, max;
};

void histogram_note(struct histogram *h, uint64_t value);
void histogram_add(struct histogram *into, const struct histogram *from);

/* The upper edge of the bucket in which the given share (0 to 1) of values is reached. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
