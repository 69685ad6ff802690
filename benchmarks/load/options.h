/* The command line, read once. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPTIONS_MAX_HEADERS 16
#define OPTIONS_MAX_SERVERS 16
#define OPTIONS_MAX_THREADS 64
#define OPTIONS_MAX_PER_SUBSCRIBER 64
#define OPTIONS_MAX_HOST 64
#define OPTIONS_MAX_NAME 200
#define OPTIONS_MAX_BODY 4096

enum transport { TRANSPORT_WEBSOCKET, TRANSPORT_STREAM, TRANSPORT_LONGPOLL, TRANSPORT_SHORTPOLL };
enum listing { LISTING_SAME, LISTING_SPREAD, LISTING_RANDOM };

struct endpoint {
    struct sockaddr_in address;
    char host[OPTIONS_MAX_HOST]; /* as in the Host header */
    const char *path;            /* a template */
};

struct headers {
    const char *line[OPTIONS_MAX_HEADERS];
    int count;
};

struct options {
    /* subscribers */
    int transport; /* enum transport */
    struct endpoint subscribe, storm;
    struct headers subscribe_headers;
    int subscribers, storm_subscribers, connecting, slow, receive_buffer;
    bool catch_up;
    const char *hello, *ready_prefix, *echo_from, *echo_to;
    /* channels */
    int channels, per_subscriber;
    int listing; /* enum listing */
    const char *channel, *separator;
    /* publishers */
    struct endpoint publish;
    struct headers publish_headers;
    int publishers, depth, batch, size;
    const char *body;
    double rate;
    uint64_t window;
    /* the run */
    uint64_t messages;
    double warmup_s, seconds, settle_s, idle_s, grace_s, limit_s;
    int threads, cpu;
    bool spin;
    pid_t server[OPTIONS_MAX_SERVERS];
    int servers;
    const char *label;
};

/* Ends the program with a sentence when an option is wrong. */
void options_read(struct options *o, int argc, char **argv);

#endif
