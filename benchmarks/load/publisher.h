/*
 * The publishers: HTTP connections that stay open, each with up to `depth` requests in
 * flight, at a fixed rate or as fast as answers come.
 */
#ifndef LOAD_PUBLISHER_H
#define LOAD_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "http.h"
#include "loop.h"
#include "options.h"
#include "rest.h"

#define PUBLISHER_MAX_DEPTH 1024
#define PRESS_MAX_ERROR 120

struct press;

struct publisher {
    struct watcher watcher;
    struct press *press;
    int fd;
    uint32_t number;
    uint32_t *ranks;  /* messages put so far into each channel */
    uint64_t *asked;  /* when each request in flight was sent: a ring of `depth` */
    uint32_t oldest, in_flight;
    char *out; /* bytes not yet taken by the socket */
    size_t out_len, out_sent, out_capacity;
    bool waits; /* for the socket to take more */
    struct rest rest;
    struct http_reader http;
};

/* All publisher connections of a run. */
struct press {
    const struct options *options;
    struct loop *loop;
    struct publisher *publishers;
    uint32_t next;          /* publisher to ask first */
    uint32_t *published;    /* [publisher][channel] */
    const uint32_t *audience; /* subscribers of each channel */
    char *names;            /* of the channels, options.channels of them */
    char *scratch;          /* body of one request */
    size_t scratch_capacity;

    bool running;
    uint64_t due_ns, interval_ns; /* of the next request; interval 0: no fixed rate */
    uint64_t measured_from_ns, until_ns;

    uint64_t messages, measured; /* published; of these, measured */
    uint64_t owed;               /* deliveries that should follow from them */
    uint64_t requests, answered, refused, accepted;
    uint64_t lag_ns;             /* most that a request left after it was due */
    struct histogram answer;     /* from request to response */
    char error[PRESS_MAX_ERROR];
};

/* Connects (blocking) all publishers. */
void press_open(struct press *p, const struct options *o, struct loop *l,
                const uint32_t *audience);

/* Publishes from now on; messages due before measured_from_ns are warm-up. */
void press_start(struct press *p, uint64_t measured_from_ns, uint64_t until_ns);

/* Sends what is due and allowed, given the deliveries counted so far. */
void press_turn(struct press *p, uint64_t delivered);

/* Until when the caller may sleep. */
uint64_t press_next_ns(const struct press *p);

bool press_done(const struct press *p);
void press_close(struct press *p);

#endif
