// Loaded into a service whose clock a test sets, beside libfaketime: see clock.rs.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

// The dynamic loader starts a program's libraries before its allocator. libfaketime frees memory while it starts and would be the
// first to call mimalloc, which cannot free before it has allocated: it then gives out blocks twice, in each class of sizes that was
// not used before. So blocks of all small sizes are allocated before it.
__attribute__((constructor)) static void allocate(void) {
    static void *blocks[64];
    int count = 0;
    for (size_t size = 16; size <= 64 * 1024; size = size * 5 / 4) blocks[count++] = malloc(size);
    while (count > 0) free(blocks[--count]);
}

// libfaketime translates the time-outs of pthread_cond_timedwait, but not of C11's cnd_timedwait, which librdkafka calls: after a
// clock was set ahead it would wait until then. Here the rest of the wait, by the clock as it is set, is waited by the monotonic
// clock, for a second at most: whoever waits looks again.
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    const long long second = 1000000000;
    struct timespec now, end;
    clock_gettime(CLOCK_REALTIME, &now);
    long long rest = (until->tv_sec - now.tv_sec) * second + until->tv_nsec - now.tv_nsec;
    rest = rest < 0 ? 0 : rest > second ? second : rest;
    clock_gettime(CLOCK_MONOTONIC, &end);
    rest += end.tv_nsec;
    end.tv_sec += rest / second;
    end.tv_nsec = rest % second;
    int failed = pthread_cond_clockwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, CLOCK_MONOTONIC, &end);
    return failed == 0 ? thrd_success : failed == ETIMEDOUT ? thrd_timedout : thrd_error;
}
