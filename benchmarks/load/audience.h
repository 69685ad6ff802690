/* Who listens to what: a fixed rule, so that every part of the program can work it out. */
#ifndef LOAD_AUDIENCE_H
#define LOAD_AUDIENCE_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/* Writes the channels of a subscriber (options.per_subscriber of them), in rising order. */
void audience_channels(const struct options *o, uint32_t subscriber, uint32_t *out);

/* Adds 1 to counts[channel] for each channel of each subscriber from first to last - 1. */
void audience_count(const struct options *o, uint32_t first, uint32_t last, uint32_t *counts);

/* Writes the name of a channel with a final NUL; returns its length. */
size_t audience_name(const struct options *o, uint32_t channel, char *out, size_t capacity);

#endif
