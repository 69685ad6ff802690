/* One subscriber on one connection, on whichever transport. */
#ifndef LOAD_SUBSCRIBER_H
#define LOAD_SUBSCRIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet.h"
#include "http.h"
#include "ledger.h"
#include "loop.h"
#include "rest.h"
#include "scanner.h"
#include "websocket.h"

enum subscriber_stage {
    SUBSCRIBER_UNOPENED,
    SUBSCRIBER_CONNECTING,
    SUBSCRIBER_ASKING, /* the request is out */
    SUBSCRIBER_READY,
    SUBSCRIBER_GONE,
};

struct subscriber {
    struct watcher watcher;
    struct fleet *fleet;
    int fd;
    uint32_t number;
    enum subscriber_stage stage;
    bool upgraded, slow;
    uint64_t asked_ns;
    uint64_t arrived_ns; /* of the bytes being read */
    uint32_t *channels;
    struct ledger *ledgers; /* [channel of ours][publisher connection] */
    struct rest rest;
    struct scanner scanner;
    struct http_reader http;
    struct websocket_reader websocket;
};

void subscriber_create(struct subscriber *s, struct fleet *f, uint32_t number);
void subscriber_connect(struct subscriber *s);
void subscriber_resume(struct subscriber *s);
void subscriber_free(struct subscriber *s);

#endif
