/* The one clock of the program: monotonic nanoseconds. */
#ifndef LOAD_CLOCK_H
#define LOAD_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t seconds_ns(double seconds)
{
    return (uint64_t)(seconds * (double)NS_PER_S);
}

static inline double ns_seconds(uint64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

#endif
