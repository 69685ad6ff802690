/*
 * One epoll loop per thread. Whoever watches a descriptor puts a struct watcher first in its
 * own struct and is called with the events.
 */
#ifndef LOAD_LOOP_H
#define LOAD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_BUFFER (256 * 1024)

struct watcher {
    void (*wake)(struct watcher *self, uint32_t events);
};

struct loop {
    int epoll_fd;
    bool spin;
    char *buffer;      /* LOOP_BUFFER bytes, for whoever is being called */
    uint64_t busy_ns;  /* time spent in turns in which something happened */
};

void loop_open(struct loop *l, bool spin);
void loop_close(struct loop *l);
void loop_watch(struct loop *l, int fd, uint32_t events, struct watcher *w);
void loop_change(struct loop *l, int fd, uint32_t events, struct watcher *w);
void loop_forget(struct loop *l, int fd);

/* Handles what is ready; without --spin, waits for it until the given time at most. */
void loop_turn(struct loop *l, uint64_t until_ns);

#endif
