/* SPDX-License-Identifier: MIT
 * The lower bound of all deadlines, with records of the test's own: what other threads do in the middle of a look is
 * done here at exactly that step. tests/model/deadline.pml goes through all of them. */
#include "conn/deadline.c" /* its calls into the other files of its room end here */

#include "tests/unit/check.h"

enum { RECORDS = 3, MS = 1000000 };
#define NOW 1000000000ull

static struct conn record[RECORDS];
static uint64_t due_ns[RECORDS];
static unsigned fired, looked_at;
static void (*meanwhile)(void); /* what another thread does when the look has passed the first record */
struct host host;

struct conn *conn_each(uint32_t *index)
{
    if (*index == 1 && meanwhile) {
        void (*now)(void) = meanwhile;
        meanwhile = NULL;
        now();
    }
    looked_at += *index < RECORDS;
    return *index < RECORDS ? &record[(*index)++] : NULL;
}

uint64_t timer_next_ns(const struct conn *conn)
{
    return due_ns[conn - record];
}

bool track_expire(struct conn *conn, uint64_t now_ns)
{
    uint64_t *due = &due_ns[conn - record];
    fired += *due != 0 && *due <= now_ns;
    *due = *due <= now_ns ? 0 : *due;
    return *due == 0;
}

void exchange_slow(struct conn *conn, uint64_t now_ns)
{
    (void)conn, (void)now_ns;
}

uint64_t exchange_look(struct conn *conn, uint64_t now_ns)
{
    return conn == NULL ? now_ns : 0;
}

void sleeper_wake(void)
{
}

__thread _Atomic uint64_t *sleeper_place;

bool park_is_due(const struct conn *conn, uint64_t now_ns)
{
    return conn == NULL && now_ns == 0;
}

bool pace_again(struct conn *conn, uint64_t now_ns)
{
    return conn == NULL && now_ns == 0;
}

bool pending_due(struct conn *conn, uint64_t now_ns)
{
    return conn == NULL && now_ns == 0;
}

void park_end(struct conn *conn)
{
    (void)conn;
}

static void arm(unsigned index, uint64_t at_ns)
{
    due_ns[index] = at_ns;
    deadline_lower(at_ns);
}

static void start(void)
{
    memset(due_ns, 0, sizeof due_ns);
    atomic_store(&bound_ns, UINT64_MAX);
    fired = looked_at = 0;
    meanwhile = NULL;
}

/* Time passes in steps of a millisecond, as a waiting thread would see it. Returns when the record fired, 0 = never. */
static uint64_t wait_for(unsigned count, uint64_t from_ns, uint64_t until_ns)
{
    for (uint64_t now_ns = from_ns; now_ns <= until_ns; now_ns += MS) {
        deadline_fire(now_ns);
        if (fired == count)
            return now_ns;
    }
    return 0;
}

/* In time, or at the next step: the bound is rounded up. */
static void check_fired(uint64_t at_ns, uint64_t due)
{
    CHECK(at_ns >= due && at_ns <= due + MS);
}

static void test_one(void)
{
    start();
    CHECK(deadline_next(NOW) > NOW + MS);
    arm(1, NOW + 5 * MS);
    check_fired(wait_for(1, NOW, NOW + 50 * MS), NOW + 5 * MS);
    CHECK_INT(looked_at, RECORDS);
    CHECK(atomic_load(&bound_ns) == UINT64_MAX);
    arm(1, NOW + 20 * MS);
    arm(2, NOW + 10 * MS);
    arm(0, NOW + 30 * MS); /* a later one changes nothing */
    check_fired(wait_for(4, NOW, NOW + 100 * MS), NOW + 30 * MS);
    CHECK_INT(looked_at, 4 * RECORDS);
}

static void arm_passed(void)
{
    arm(0, NOW + 100 * MS); /* far behind the end of the look */
}

/* The record that the look has passed already. */
static void test_armed_meanwhile(void)
{
    start();
    arm(1, NOW);
    meanwhile = arm_passed;
    check_fired(wait_for(2, NOW + MS, NOW + 1000 * MS), NOW + 100 * MS);
}

static void look_too(void)
{
    deadline_fire(NOW + MS);
    due_ns[0] = NOW + 100 * MS; /* armed when the second look had begun, which this one stands for */
    deadline_lower(due_ns[0]);
}

static void lower_then_look(void)
{
    arm(2, NOW); /* due at once, so that another thread looks in the middle of this look, at the same instant */
    meanwhile = look_too;
    deadline_fire(NOW + MS);
}

static void test_two_looks(void)
{
    start();
    arm(1, NOW);
    meanwhile = lower_then_look;
    check_fired(wait_for(3, NOW + MS, NOW + 1000 * MS), NOW + 100 * MS);
}

/* A thread that is ended in the middle of its look. */
static void test_ended(void)
{
    start();
    arm(2, NOW + 100 * MS);
    uint64_t reached = atomic_load(&bound_ns);
    atomic_compare_exchange_strong(&bound_ns, &reached, (NOW + LOOK_NS) | 7); /* and no more of it */
    check_fired(wait_for(1, NOW, NOW + 1000 * MS), NOW + 100 * MS);
}

int main(void)
{
    test_one();
    test_armed_meanwhile();
    test_two_looks();
    test_ended();
    return check_end();
}
