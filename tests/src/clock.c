// Loaded into a service whose clock a test sets: see clock.rs. Every wall clock that the program reads is off by the seconds that stand in
// a file; the monotonic clock is left alone, as it is where somebody sets a machine's clock. Debian's libfaketime does more, and cannot be
// used: it frees memory before the program's allocator has begun, which then gives out blocks twice.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

// The file is read at most ten times a second. Nothing here may allocate: the allocator asks for the time, too.
static long long offset_s(void) {
    static __thread long long known, known_at_ms = -1;
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    long long now_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    if (known_at_ms >= 0 && now_ms - known_at_ms < 100) return known;
    char text[32] = {0};
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) > 0) known = atoll(text);
        close(file);
    }
    known_at_ms = now_ms;
    return known;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = syscall(SYS_clock_gettime, clock, time);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += offset_s();
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *time, int base) {
    if (base != TIME_UTC) return 0;
    clock_gettime(CLOCK_REALTIME, time);
    return base;
}

// librdkafka waits until an instant of the wall clock, and the kernel would wait for it by the right one. Here the rest of the wait is
// waited by the monotonic clock, for a second at most: whoever waits looks again.
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
