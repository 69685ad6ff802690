#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"

#define EVENTS 256

void loop_open(struct loop *l, bool spin)
{
    *l = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .spin = spin};
    if (l->epoll_fd < 0)
        fail("epoll_create1: %s", strerror(errno));
    l->buffer = allocate(1, LOOP_BUFFER);
}

void loop_close(struct loop *l)
{
    close(l->epoll_fd);
    free(l->buffer);
}

static void control(struct loop *l, int operation, int fd, uint32_t events, struct watcher *w)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, operation, fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

void loop_watch(struct loop *l, int fd, uint32_t events, struct watcher *w)
{
    control(l, EPOLL_CTL_ADD, fd, events, w);
}

void loop_change(struct loop *l, int fd, uint32_t events, struct watcher *w)
{
    control(l, EPOLL_CTL_MOD, fd, events, w);
}

void loop_forget(struct loop *l, int fd)
{
    control(l, EPOLL_CTL_DEL, fd, 0, NULL);
}

void loop_turn(struct loop *l, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t before = clock_ns();
    uint64_t wait = l->spin || until_ns <= before ? 0 : until_ns - before;
    struct timespec timeout = {(time_t)(wait / NS_PER_S), (long)(wait % NS_PER_S)};
    int ready = epoll_pwait2(l->epoll_fd, events, EVENTS, &timeout, NULL);
    if (ready < 0 && errno != EINTR)
        fail("epoll_pwait2: %s", strerror(errno));
    if (ready <= 0)
        return;
    if (wait)
        before = clock_ns();
    for (int i = 0; i < ready; i++) {
        struct watcher *w = events[i].data.ptr;
        w->wake(w, events[i].events);
    }
    l->busy_ns += clock_ns() - before;
}
