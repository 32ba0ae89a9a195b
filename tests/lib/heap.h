/* Makes the Nth allocation fail, so that a test can show that code survives it. The linker sends
 * what our code asks of malloc and its relatives here (--wrap, see tests/CMakeLists.txt), and
 * zmq_msg_init_size and protobuf_c_message_unpack; jansson's allocations come here, too. Other
 * libraries' own allocations are left alone. Only the thread that armed it is concerned. */
#ifndef SW_TESTS_HEAP_H
#define SW_TESTS_HEAP_H

#include <stdbool.h>

/* The nth allocation from now on fails; 1 is the next one. Those after it succeed again. */
void sw_heap_arm(long nth);
/* Nothing fails any more. Whether one has failed since sw_heap_arm. */
bool sw_heap_disarm(void);
/* Between these two, nothing fails and nothing counts: for what a test itself needs. Pairs nest. */
void sw_heap_pause(void);
void sw_heap_resume(void);

/* Runs the scenario with its first allocation failing, then with its second one, and so on, until a
 * run in which none failed. The scenario must accept every outcome that a caller may get, free what
 * it made, and find what it shares with other runs as good as before. Returns the number of runs;
 * fails the test after 100,000. */
int sw_heap_each(void (*scenario)(void *context), void *context);

#endif
